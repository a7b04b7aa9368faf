/** Parsers of option values: text in, a checked value out, or the reason why not. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import { devices, didYouMean, type Precision } from '../../src/index.js'

/** A whole number of `min` or more. */
export function wholeNumber(min: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < min)
      throw new InvalidArgumentError(`Expected a whole number of ${min} or more.`)
    return value
  }
}

/** A number from `min` to `max`. */
export function numberBetween(min: number, max: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isFinite(value) || value < min || value > max)
      throw new InvalidArgumentError(
        max === Infinity ? `Expected a number of ${min} or more.` : `Expected a number from ${min} to ${max}.`,
      )
    return value
  }
}

/** A number above 0 and at most 1. */
export function share(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !(value > 0 && value <= 1))
    throw new InvalidArgumentError('Expected a number above 0 and at most 1.')
  return value
}

/** Block indices: `2,5,8`. */
export function layerList(text: string): number[] {
  if (!/^\s*\d+\s*(,\s*\d+\s*)*$/.test(text))
    throw new InvalidArgumentError('Expected block indices with commas between them, such as 2,5,8.')
  return text.split(',').map(Number)
}

const byteUnits: Record<string, number> = { '': 1, B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 }

/** A number of bytes, with or without a unit: `5GB`, `500 MB`, `1000000`. */
export function byteCount(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?b)?$/i.exec(text.trim())
  const bytes = match ? Math.floor(Number(match[1]) * byteUnits[(match[2] ?? '').toUpperCase()]!) : 0
  if (!Number.isSafeInteger(bytes) || bytes < 1)
    throw new InvalidArgumentError('Expected a number of bytes such as 5GB, 500MB or 1000000.')
  return bytes
}

export interface NamedPath {
  name: string
  path: string
}

/** `NAME=PATH`, gathered over all occurrences of an option. */
export function namedPath(text: string, earlier: NamedPath[] = []): NamedPath[] {
  const at = text.indexOf('=')
  const [name, path] = [text.slice(0, at), text.slice(at + 1)]
  if (at < 1 || path === '') throw new InvalidArgumentError('Expected NAME=PATH, such as general=held-out.jsonl.')
  if (earlier.some(other => other.name === name)) throw new InvalidArgumentError(`The name "${name}" occurs twice.`)
  return [...earlier, { name, path }]
}

/** One of a list of names, or the nearest one as a hint. */
export function oneOf<T extends string>(names: readonly T[]): (text: string) => T {
  return text => {
    const name = names.find(known => known === text)
    if (name !== undefined) return name
    throw new InvalidArgumentError(`Expected one of ${names.join(', ')}.${didYouMean(text, names)}`)
  }
}

/** How something is computed: the same options wherever something is. */
export interface ComputeOptions {
  device: string
  threads?: number
  precision?: Precision
  torchEager?: boolean
}

/** `--device`. */
export function deviceOption(): Option {
  return new Option('--device <name>', `engine that computes: ${devices.join(' or ')}`)
    .argParser(oneOf(devices))
    .default('cpu', 'cpu')
}

/** `--threads`. */
function threadsOption(): Option {
  return new Option('--threads <n>', 'threads that compute (default: LLAMA_PRO_THREADS, else one a core)').argParser(
    wholeNumber(1),
  )
}

/** `--precision`. */
function precisionOption(): Option {
  const where = 'bf16 on the torch devices, f16 on webgpu'
  const description = `arithmetic of matrix products, ${where} (default: f32, or what the recipe says)`
  return new Option('--precision <name>', description).argParser(oneOf<Precision>(['f32', 'bf16', 'f16']))
}

/** `--torch-eager`. */
function torchEagerOption(): Option {
  return new Option('--torch-eager', 'torch devices: run line by line, without torch.compile')
}

/** `--memory`. */
function memoryOption(): Option {
  const description =
    'what a run may hold in all, such as 12GB (default: what is free); it is refused when it needs more'
  return new Option('--memory <bytes>', description).argParser(byteCount)
}

/** Adds the options of {@link ComputeOptions}. */
export function addComputeOptions(command: Command): Command {
  for (const option of [deviceOption(), threadsOption(), precisionOption(), torchEagerOption()])
    command.addOption(option)
  return command
}

/** How runs are made, as it is typed. */
export interface TrainingOptions extends ComputeOptions {
  out: string
  resume?: boolean
  memory?: number
  tensorboard?: boolean
}

/** Adds the options of a run that is computed: {@link ComputeOptions} and `--memory`. */
export function addTrainingOptions(command: Command): Command {
  return addComputeOptions(command).addOption(memoryOption())
}

/** The options of runs under the names that the library has for them. */
export function runSettings<T extends Pick<TrainingOptions, 'memory'>>({
  memory,
  ...rest
}: T): Omit<T, 'memory'> & { memoryBytes?: number } {
  return { ...rest, ...(memory === undefined ? {} : { memoryBytes: memory }) }
}
