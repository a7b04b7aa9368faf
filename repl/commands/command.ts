/** What a command is, and how its arguments become values. */
import { homedir } from 'node:os'
import { join } from 'node:path'
import { didYouMean, LabError, lessonNames } from '../../src/index.js'
import { isQuoted, optionPair, splitWords, type Word } from './words.js'

/** What is a file on the command line, and so may begin with `~/`. */
const pathKinds: ReadonlySet<string> = new Set(['model', 'path', 'dataset', 'run'])

/** What an argument is: decides how it is checked and completed. */
export type ArgumentKind =
  | 'model'
  | 'path'
  | 'dataset'
  | 'run'
  | 'figure'
  | 'rule'
  | 'layer'
  | 'device'
  | 'command'
  | 'number'
  | 'integer'
  | 'step'
  | 'text'

export interface ArgumentSpec {
  name: string
  kind: ArgumentKind
  isRequired?: boolean
  /** Takes every further word. */
  isRest?: boolean
}

export interface OptionSpec {
  kind: 'integer' | 'number' | 'numbers' | 'text' | 'path' | 'layers' | 'choice'
  choices?: readonly string[]
  about: string
}

export type OptionValue = string | number | number[]

/** The arguments of a command line, checked. */
export interface Arguments {
  /** Words that are no options, in order. */
  words: string[]
  /** `name=value`, by name. */
  options: Record<string, OptionValue>
  /** Everything after the command's name, as it was typed. */
  text: string
}

/** What a command may ask about the session before it says what is to be done. */
export interface Surroundings {
  /** Status of the newest run; null without one. */
  runStatus: string | null
  /** Directory of the newest run; null without one. */
  runDir: string | null
}

/** What the lessons are about, where it is not what the session has. */
export interface StepOptions {
  prompt?: string
  expansion?: Record<string, OptionValue>
}

/** Things that are done to the session rather than by a cell. */
export interface SessionActions {
  print(text: string): void
  /** Runs TypeScript as a cell; resolves to whether it ended well. */
  runCell(code: string): Promise<boolean>
  /** Runs lines as if they were typed; stops at the first that fails. */
  runLines(lines: readonly string[]): Promise<boolean>
  exportNotebook(path: string, options: { overwrite: boolean }): void
  variables(): string
  /** All commands and keys, or one command. */
  help(name?: string): string
  doctor(): Promise<void>
  /** Opens the user's editor on a text; resolves to what was saved, or null when nothing was. */
  edit(text: string): Promise<string | null>
  /** Puts a text at the prompt. */
  setPrompt(text: string): void
  /** Walks through the lessons, from one given by its number. */
  openSteps(first: number, options: StepOptions): Promise<boolean>
  demo(): Promise<void>
  leave(): void
  readFile(path: string): string
}

interface CommandHead {
  name: string
  /** Section of the help. */
  group: 'model' | 'training' | 'session'
  /** One line. */
  about: string
  arguments: readonly ArgumentSpec[]
  options: Readonly<Record<string, OptionSpec>>
  /** Options of any other name are allowed too, `name=value`. */
  hasFreeOptions?: boolean
  examples: readonly string[]
}

/** A command that is a cell: `toCell` gives its TypeScript, which is what a notebook gets. */
export interface CellCommand extends CommandHead {
  toCell(given: Arguments, about: Surroundings): string
}

export interface ActionCommand extends CommandHead {
  /** The rest of the line is one text: nothing is cut or checked. */
  isRaw?: boolean
  act(given: Arguments, actions: SessionActions): Promise<void> | void
}

export type Command = CellCommand | ActionCommand

export function commandError(message: string): LabError {
  return new LabError('COMMAND', message)
}

/** `:plan [groups=N] ...`: how a command is written. */
export function usageOf({ name, arguments: positional, options }: Command): string {
  const words = positional.map(({ name: word, isRequired, isRest }) => {
    const text = `${word}${isRest ? ' ...' : ''}`
    return isRequired ? `<${text}>` : `[${text}]`
  })
  const pairs = Object.keys(options).map(option => `[${option}=]`)
  return [`:${name}`, ...words, ...pairs].join(' ')
}

/** Checks the words after a command's name. @throws LabError COMMAND that says what was expected */
export function parseArguments(command: Command, text: string): Arguments {
  const given: Arguments = { words: [], options: {}, text: text.trim() }
  if ('isRaw' in command && command.isRaw) return given
  const words: Word[] = []
  for (const word of splitWords(text)) {
    const pair = optionPair(word.text)
    const isOption = pair && (Object.hasOwn(command.options, pair[1]!) || command.hasFreeOptions || !takesText(command))
    if (isOption) given.options[pair[1]!] = optionValue(command, pair[1]!, pair[2]!)
    else words.push(word)
  }
  given.words = withRawText(command, words, text)
  checkWords(command, given.words)
  given.words = given.words.map((word, i) => (pathKinds.has(specOf(command, i)!.kind) ? fromHome(word) : word))
  return given
}

/** `~/x` as the shell would pass it on. */
function fromHome(path: string): string {
  return path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(1)) : path
}

/** The words, the last of them all of the text that a command takes as it was typed; quotes around the whole of it are not part of it. */
function withRawText({ arguments: positional }: Command, words: readonly Word[], line: string): string[] {
  const first = positional.findIndex(({ kind, isRest }) => kind === 'text' && isRest)
  const texts = words.map(({ text }) => text)
  const rest = first < 0 ? [] : words.slice(first)
  if (rest.length === 0) return texts
  const raw = rest.map(({ start, end }, i) => {
    const before = words[first + i - 1]
    // blanks between words stay, an option that stood there leaves one
    const gap = i === 0 ? '' : line.slice(before!.end, start)
    return (gap.trim() === '' ? gap : ' ') + line.slice(start, end)
  })
  const isOneWord = rest.length === 1 && isQuoted(raw[0]!)
  return [...texts.slice(0, first), isOneWord ? rest[0]!.text : raw.join('')]
}

/** Whether a word with `=` may be meant as it is: only where any text may stand. */
function takesText({ arguments: positional }: Command): boolean {
  return positional.some(({ kind }) => kind === 'text')
}

function optionValue(command: Command, name: string, text: string): OptionValue {
  const spec = command.options[name]
  if (!spec) {
    if (command.hasFreeOptions) return fromHome(text)
    const known = Object.keys(command.options)
    const expected = known.length > 0 ? `its options are ${known.join(', ')}` : 'it takes no options'
    throw commandError(`:${command.name} has no option "${name}"; ${expected}.${didYouMean(name, known)}`)
  }
  const fail = (expected: string): never => {
    throw commandError(`:${command.name} ${name}=: expected ${expected}, got "${text}".`)
  }
  if (spec.kind === 'path') return fromHome(text)
  if (spec.kind === 'layers') {
    if (!/^\d+(,\d+)*$/.test(text)) fail('block indices with commas between them, such as 2,5,8')
    return text.split(',').map(Number)
  }
  if (spec.kind === 'numbers') {
    const numbers = text.split(',').map(part => (part.trim() === '' ? Number.NaN : Number(part)))
    if (!numbers.every(Number.isFinite)) fail('numbers with commas between them, such as 0.9,0.95')
    return numbers
  }
  if (spec.kind === 'choice' && !spec.choices!.includes(text))
    throw commandError(
      `:${command.name} ${name}=: expected ${spec.choices!.join(', ')}, got "${text}".${didYouMean(text, spec.choices!)}`,
    )
  if (spec.kind !== 'integer' && spec.kind !== 'number') return text
  const number = Number(text)
  if (text === '' || !Number.isFinite(number)) fail('a number')
  if (spec.kind === 'integer' && !Number.isSafeInteger(number)) fail('a whole number')
  return number
}

function checkWords(command: Command, words: string[]): void {
  const { arguments: positional } = command
  const required = positional.filter(({ isRequired }) => isRequired)
  const missing = required[words.length]
  if (words.length < required.length)
    throw commandError(`:${command.name} needs ${missing!.name}: ${usageOf(command)}, such as ${command.examples[0]}`)
  const hasRest = positional.some(({ isRest }) => isRest)
  if (!hasRest && words.length > positional.length) {
    const surplus = words[positional.length]!
    const expected = positional.length === 0 ? 'no words' : `at most ${positional.length}`
    const hint = didYouMean(surplus, Object.keys(command.options))
    throw commandError(`:${command.name} takes ${expected}, got "${surplus}" too: ${usageOf(command)}.${hint}`)
  }
  for (const [index, word] of words.entries()) checkWord(command, specOf(command, index)!, word)
}

/** What the word at an index is; the last argument takes all that follow. */
export function specOf({ arguments: positional }: Command, index: number): ArgumentSpec | undefined {
  return positional[index] ?? positional.at(-1)
}

function checkWord(command: Command, { name, kind }: ArgumentSpec, word: string): void {
  if (kind === 'step' && !isStep(word))
    throw commandError(
      `:${command.name}: expected 1 to ${lessonNames.length}, ${lessonNames.join(', ')}, got "${word}".${didYouMean(word, lessonNames)}`,
    )
  if (kind !== 'number' && kind !== 'integer' && kind !== 'layer') return
  const number = Number(word)
  const isWhole = kind === 'number' || (Number.isSafeInteger(number) && number >= 0)
  if (word.trim() === '' || !Number.isFinite(number) || !isWhole)
    throw commandError(
      `:${command.name}: expected ${kind === 'number' ? 'a number' : 'a whole number'} for ${name}, got "${word}": ${usageOf(command)}`,
    )
}

/** The number of a lesson that is given by its number or its name. */
export function stepNumber(word: string): number {
  return lessonNames.includes(word) ? lessonNames.indexOf(word) + 1 : Number(word)
}

function isStep(word: string): boolean {
  const number = stepNumber(word)
  return Number.isInteger(number) && number >= 1 && number <= lessonNames.length
}
