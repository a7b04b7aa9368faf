import { existsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { arch, availableParallelism, cpus, freemem, platform, release, totalmem, type } from 'node:os'
import { join } from 'node:path'
import { Command } from 'commander'
import { surroundings } from '../../../kernel/jupyter-paths.js'
import { findJupyter, findKernelSpecs } from '../../../kernel/jupyter-state.js'
import {
  blockCacheDirectory,
  devices,
  type EngineOptions,
  formatBytes,
  hubCacheDirectory,
  messageOf,
  openTokenizer,
  optionalDevices,
  packageRoot,
  packageVersion,
  readHubToken,
  tryEngine,
} from '../../../src/index.js'
import type { CommandContext } from '../context.js'
import { exitCodes } from '../exit-codes.js'
import type { Output } from '../output.js'
import { padVisible } from '../style.js'
import { pairs } from '../text.js'

const examples = `
Examples:
  llama-pro doctor
  llama-pro doctor --json

Exit code 1 when something that the lab cannot do without is missing.`

/** One thing that was tried. */
interface Check {
  name: string
  works: boolean
  /** Whether the lab cannot do without it. */
  required: boolean
  /** What was found, or what went wrong. */
  detail: string
  /** How to get what is missing; null when nothing is. */
  advice: string | null
}

/** @param engineOptions of the session that is asked in: engines of one process have to share their threads */
export function doctorCommand(context: CommandContext, engineOptions: EngineOptions = {}): Command {
  return new Command('doctor')
    .summary('what this machine has and what is missing')
    .description('Looks at the machine, tries every engine, and says what is missing and how to get it.')
    .addHelpText('after', examples)
    .action(async () => doctor(context, engineOptions))
}

async function doctor(context: CommandContext, engineOptions: EngineOptions): Promise<void> {
  const { out, io } = context
  const report = {
    version: packageVersion(),
    machine: await machine(),
    checks: [
      nodeCheck(),
      ...(await engineChecks(io.signal, engineOptions)),
      ...(await tokenizerChecks(io.signal)),
      demoCheck(),
      ...notebookChecks(io.env),
    ],
    environment: environmentOf(io.env),
    caches: { hub: cacheOf(hubCacheDirectory(io.env)), blocks: cacheOf(blockCacheDirectory(io.env)) },
    hubToken: readHubToken(io.env)?.from ?? null,
  }
  out.document(report)
  print(out, report)
  if (report.checks.some(check => check.required && !check.works)) context.exitCode = exitCodes.failed
}

async function machine() {
  const { bavail, bsize } = await statfs('.')
  return {
    system: `${type()} ${release()}`,
    platform: `${platform()}-${arch()}`,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    freeMemoryBytes: freemem(),
    freeDiskBytes: bavail * bsize,
    node: process.version,
  }
}

function nodeCheck(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  const works = major > 20 || (major === 20 && minor >= 19)
  const advice = works ? null : 'Install Node 20.19 or newer from https://nodejs.org.'
  return { name: 'node', works, required: true, detail: process.version, advice }
}

/** Runs `work`; what it returns is the detail of a check that works. @throws the signal's reason as soon as it is aborted */
async function check(
  what: Pick<Check, 'name' | 'required'> & { signal: AbortSignal; advice: string },
  work: () => Promise<string>,
): Promise<Check> {
  const { signal, advice, ...named } = what
  try {
    return { ...named, works: true, detail: await unlessAborted(signal, work), advice: null }
  } catch (error) {
    signal.throwIfAborted()
    return { ...named, works: false, detail: messageOf(error), advice }
  }
}

/** The result of `work`, which is left to itself when the signal is aborted. */
async function unlessAborted<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  signal.throwIfAborted()
  let stop = () => {}
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason)
  })
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([work(), aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

const reinstall = 'Install the packages again: npm ci (or npm install llama-pro-lab).'

/** Every engine multiplies two small matrices. */
async function engineChecks(signal: AbortSignal, engineOptions: EngineOptions): Promise<Check[]> {
  const checks: Check[] = []
  for (const name of devices) {
    const required = !optionalDevices.includes(name)
    const advice = required ? reinstall : `Needed only for --device ${name}.`
    const work = () => tryEngine(name, { ...engineOptions, signal })
    checks.push(await check({ name: `engine ${name}`, required, advice, signal }, work))
  }
  return checks
}

const demoBase = () => join(packageRoot(), 'datasets', 'demo', 'base')

async function tokenizerChecks(signal: AbortSignal): Promise<Check[]> {
  const tryTokenizer = (engine: 'rust' | 'js') => async () => {
    const tokenizer = await openTokenizer(demoBase(), { engine })
    const text = 'Block expansion, 1 + 1 = 2.'
    if (tokenizer.decode(tokenizer.encode(text)) !== text)
      throw new Error('a text did not survive encoding and decoding')
    return 'encodes and decodes'
  }
  const advice = 'It is only faster: the JavaScript one takes its place. To get it: npm install tokenizers.'
  return [
    await check({ name: 'tokenizer native', required: false, advice, signal }, tryTokenizer('rust')),
    await check({ name: 'tokenizer js', required: true, advice: reinstall, signal }, tryTokenizer('js')),
  ]
}

function demoCheck(): Check {
  const path = join(demoBase(), 'model.safetensors')
  const works = existsSync(path)
  const advice = works ? null : 'Take the demo from a complete checkout or package of llama-pro-lab.'
  return { name: 'demo', works, required: false, detail: works ? demoBase() : `${path} is missing`, advice }
}

/** Jupyter itself, and our kernels in it. */
function notebookChecks(env: Record<string, string | undefined>): Check[] {
  const where = { ...surroundings(), env }
  const jupyter = findJupyter(where)
  const specs = findKernelSpecs(where)
  const broken = specs.filter(({ problem }) => problem !== null)
  const detail = specs.map(
    ({ name, directory, problem }) => `${name} in ${directory}${problem === null ? '' : `: ${problem}`}`,
  )
  const again = broken.map(({ name }) => `llama-pro kernel install --name ${name}`).join('; ')
  return [
    {
      name: 'jupyter',
      works: jupyter !== null,
      required: false,
      detail: jupyter ?? 'no jupyter-lab, jupyter-notebook or jupyter on PATH or in the active Python environment',
      advice:
        jupyter === null
          ? 'For notebooks: pip install jupyterlab (or uv tool install jupyterlab, or VS Code with its Jupyter extension).'
          : null,
    },
    {
      name: 'notebook kernel',
      works: specs.length > 0 && broken.length === 0,
      required: false,
      detail: specs.length === 0 ? 'not known to Jupyter' : detail.join('; '),
      advice:
        specs.length === 0
          ? 'To make it known: llama-pro kernel install.'
          : broken.length > 0
            ? `Install it again: ${again}.`
            : null,
    },
  ]
}

function environmentOf(env: Record<string, string | undefined>): Record<string, string> {
  const names = Object.keys(env).filter(name => /^(LLAMA_PRO_|HF_HUB_|HF_HOME$|HF_ENDPOINT$|NO_COLOR$)/.test(name))
  return Object.fromEntries(names.sort().map(name => [name, env[name] ?? '']))
}

function cacheOf(path: string): { path: string; exists: boolean } {
  return { path, exists: existsSync(path) }
}

interface Report {
  version: string
  machine: Awaited<ReturnType<typeof machine>>
  checks: Check[]
  environment: Record<string, string>
  caches: Record<string, { path: string; exists: boolean }>
  hubToken: string | null
}

function print(out: Output, { version, machine: found, checks, environment, caches, hubToken }: Report): void {
  const { green, red, yellow, bold } = out.style
  out.line(bold(`llama-pro ${version}`))
  pairs(out, [
    ['system', `${found.system}, ${found.platform}`],
    ['processor', `${found.processor}, ${found.cores} cores`],
    ['memory', `${formatBytes(found.memoryBytes)}, ${formatBytes(found.freeMemoryBytes)} free`],
    ['disk', `${formatBytes(found.freeDiskBytes)} free here`],
  ])
  out.heading('Checks')
  const mark = ({ works, required }: Check) => (works ? green('ok') : required ? red('missing') : yellow('missing'))
  pairs(
    out,
    checks.map(item => [item.name, `${padVisible(mark(item), 7)}  ${item.detail}`] as const),
  )
  for (const { advice, name } of checks) if (advice !== null) out.line(`\n  ${bold(name)}: ${advice}`)
  out.heading('Caches')
  const stateOf = ({ path, exists }: { path: string; exists: boolean }) => (exists ? path : `${path} (not yet there)`)
  pairs(
    out,
    Object.entries(caches).map(([name, cache]) => [name, stateOf(cache)] as const),
  )
  out.heading('Environment')
  const variables = Object.entries(environment)
  pairs(out, [...variables, ['hub token', hubToken ?? 'none (only needed for gated models and data)']])
}
