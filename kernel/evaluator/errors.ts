import { inspect } from 'node:util'
import type { Diagnostic } from 'tslab/dist/converter.js'
import { Interrupted } from './cell.js'
import type { Position, Sources } from './sources.js'
import type { CellError } from './types.js'

const CAUSES_SHOWN = 5
/** Characters of a message or stack that are shown. */
const longestText = 20_000
const framePattern = /^(\s+at .*?\(?)((?:file:\/\/)?[^\s()]+|In\[\d+\]):(\d+):(\d+)(\)?)$/
/** The first frame of the evaluator itself: it and all below are not the user's. */
const ownFrame = /node:inspector|kernel[/\\]evaluator[/\\]|^\s+at new Script \(node:vm/
const nodeFrame = /\(node:|at node:/

/** Anything that a cell threw, as the protocol wants it: stacks end where the user's code ends. */
export function describeError(error: unknown, sources: Sources): CellError {
  try {
    const { ename, evalue, traceback } = describe(error, sources)
    return { ename: clip(ename), evalue: clip(evalue), traceback: traceback.map(clip) }
  } catch {
    // its properties, its proxy or its own way to be printed throw in their turn
    const evalue = 'what was thrown cannot be shown: reading it throws'
    return { ename: `thrown ${typeof error}`, evalue, traceback: [`Thrown: ${evalue}`] }
  }
}

function clip(text: string): string {
  return text.length > longestText ? `${text.slice(0, longestText)}… (${text.length} characters)` : text
}

function describe(error: unknown, sources: Sources): CellError {
  if (error instanceof Interrupted) {
    return { ename: error.name, evalue: error.message, traceback: [`${error.name}: ${error.message}`] }
  }
  if (!isErrorLike(error)) {
    const evalue = inspect(error, { depth: 2 })
    return { ename: `thrown ${error === null ? 'null' : typeof error}`, evalue, traceback: [`Thrown: ${evalue}`] }
  }
  const blocks: string[] = []
  addBlocks(error, sources, blocks, '')
  return { ename: nameOf(error), evalue: String(error.message), traceback: blocks }
}

/** The stack of an error in the user's terms: name and message, then frames in cells, local files and packages. */
export function trimStack(error: Error, sources: Sources): { text: string; first: Position | undefined } {
  const header = headerOf(error)
  const stack = typeof error.stack === 'string' ? error.stack : ''
  const lines = stack.slice(Math.max(0, stack.indexOf('\n    at '))).split('\n')
  let first: Position | undefined
  const frames: string[] = []
  for (const line of lines) {
    if (!/^\s+at /.test(line)) continue
    // The evaluator may also be on top: what a cell calls (display, process.exit) throws there.
    if (ownFrame.test(line) && frames.length > 0) break
    if (ownFrame.test(line) || nodeFrame.test(line)) continue
    const match = framePattern.exec(line)
    const position = match && sources.find(match[2]!, Number(match[3]), Number(match[4]))
    if (position) first ??= position
    frames.push(
      match && position ? `${match[1]}${position.title}:${position.line}:${position.column}${match[5]}` : line,
    )
  }
  return { text: [header, ...frames].join('\n'), first }
}

function addBlocks(error: Error, sources: Sources, blocks: string[], lead: string): void {
  const { text, first } = trimStack(error, sources)
  if (first?.text !== undefined) blocks.push(codeFrame(first, first.text))
  blocks.push(lead + text)
  if (blocks.length >= 2 * CAUSES_SHOWN) return
  if (error instanceof AggregateError)
    for (const inner of error.errors.slice(0, CAUSES_SHOWN)) addInner(inner, sources, blocks, 'one of: ')
  if (error.cause !== undefined) addInner(error.cause, sources, blocks, 'caused by: ')
}

function addInner(inner: unknown, sources: Sources, blocks: string[], lead: string): void {
  if (isErrorLike(inner)) addBlocks(inner, sources, blocks, lead)
  else blocks.push(lead + inspect(inner, { depth: 2 }))
}

/** `In[2]:3:7`, the line and a mark under the column. */
export function codeFrame({ title, line, column }: Position, text: string, length = 1): string {
  const number = `${line} `
  const room = Math.max(1, Math.min(length, text.length - column + 1))
  return `${title}:${line}:${column}\n${number}| ${text}\n${' '.repeat(number.length)}| ${' '.repeat(column - 1)}${'^'.repeat(room)}`
}

/** TypeScript's errors of a cell as one error; positions and codes as the compiler's own output has them. */
export function describeDiagnostics(diagnostics: readonly Diagnostic[], code: string, count: number): CellError {
  const lines = code.split('\n')
  const blocks = diagnostics.map(({ start, end, messageText, code: number, fileName }) => {
    const position = { title: fileName ?? `In[${count}]`, line: start.line + 1, column: start.character + 1 }
    const message = `error TS${number}: ${messageText}`
    const text = fileName === undefined ? lines[start.line] : undefined
    if (text === undefined) return `${position.title}:${position.line}:${position.column}\n${message}`
    return `${codeFrame(position, text, end.line === start.line ? end.character - start.character : 1)}\n${message}`
  })
  const first = diagnostics[0]
  const where = first && `${first.fileName ?? `In[${count}]`}:${first.start.line + 1}:${first.start.character + 1}`
  const evalue = first ? `${where} - error TS${first.code}: ${first.messageText}` : 'the cell could not be compiled'
  return { ename: 'TypeScriptError', evalue, traceback: blocks.length > 0 ? blocks : [evalue] }
}

function isErrorLike(value: unknown): value is Error {
  return (
    value instanceof Error || (typeof value === 'object' && value !== null && 'stack' in value && 'message' in value)
  )
}

function nameOf(error: Error): string {
  const name: unknown = error.name
  return typeof name === 'string' && name !== '' ? name : 'Error'
}

function headerOf(error: Error): string {
  const code = (error as { code?: unknown }).code
  const label = typeof code === 'string' ? `${nameOf(error)} [${code}]` : nameOf(error)
  return error.message ? `${label}: ${error.message}` : label
}
