/** The contents of replies, of what the evaluator says and what requests ask. */
import type { CellError, CellEvaluator, CellOutput, CellResult, MimeBundle } from './cell-evaluator.js'
import { toCodePoints, toUtf16 } from './offsets.js'
import { objectToJson } from './outgoing.js'
import type { PagerQuestion } from './pager.js'
import type { Header, Json } from './wire.js'

/** How a cell ended for the front end: a result that JSON cannot hold makes it an error. */
export function sendable(result: CellResult): CellResult {
  if (result.status !== 'ok' || !result.value) return result
  try {
    objectToJson(result.value, 'the result')
    return result
  } catch (error) {
    return { status: 'error', error: errorOf(error), count: result.count }
  }
}

/** Values of expressions that the front end wants to know beside the cell's own. */
export async function userExpressions(
  { user_expressions: wanted }: Json,
  evaluator: CellEvaluator,
  onOutput: (output: CellOutput) => void,
): Promise<Json> {
  const values: Json = {}
  if (typeof wanted !== 'object' || wanted === null) return values
  for (const [name, expression] of Object.entries(wanted)) {
    const result = sendable(
      await evaluator.run(String(expression), { storeHistory: false, isUnbuffered: true, onOutput }),
    )
    if (result.status === 'ok') values[name] = { status: 'ok', data: result.value ?? {}, metadata: {} }
    else if (result.status === 'error') values[name] = { status: 'error', ...result.error }
    else values[name] = { status: 'aborted' }
  }
  return values
}

export function complete(evaluator: CellEvaluator, code: string, cursor: number): Json {
  const { matches, start, end, types } = evaluator.complete(code, cursor)
  const at = (index: number) => toCodePoints(code, index)
  const typed = types?.map(type => ({ ...type, start: at(type.start), end: at(type.end) }))
  const metadata = typed ? { _jupyter_types_experimental: typed } : {}
  return { status: 'ok', matches, cursor_start: at(start), cursor_end: at(end), metadata }
}

export function inspect(evaluator: CellEvaluator, code: string, cursor: number, detail: 0 | 1): Json {
  const data = evaluator.inspect(code, cursor, detail)
  return { status: 'ok', found: data !== null, data: data ?? {}, metadata: {} }
}

/** What a front end shows in its pager. */
export function pageOf(evaluator: CellEvaluator, { expression, detail }: PagerQuestion): Json {
  const data = evaluator.inspect(expression, expression.length, detail)
  return { source: 'page', data: data ?? { 'text/plain': `"${expression}" is not known here.` }, start: 0 }
}

/** The reply's type: `complete_request` -> `complete_reply`. */
export function replyType({ msg_type }: Header): string {
  return msg_type.replace(/_request$/, '_reply')
}

export function textOf(content: Json, field: string): string {
  const value = content[field]
  return typeof value === 'string' ? value : ''
}

export function cursorOf({ cursor_pos: cursor }: Json, code: string): number {
  return typeof cursor === 'number' ? toUtf16(code, cursor) : code.length
}

export function plainText(value: MimeBundle | undefined): string | null {
  const text = value?.['text/plain']
  return typeof text === 'string' ? text : null
}

export function errorOf(error: unknown): CellError {
  if (!(error instanceof Error)) return { ename: 'Error', evalue: String(error), traceback: [String(error)] }
  return { ename: error.name, evalue: error.message, traceback: (error.stack ?? String(error)).split('\n') }
}
