import type TS from '@tslab/typescript-for-tslab'
import type { CellConverter } from './converter.js'
import type { Completeness, Completion, CompletionType, MimeBundle } from './types.js'

/** Most candidates that are handed out; a front end shows a handful. */
const MATCHES_SHOWN = 200
/** Candidates that come with signature and documentation; a menu shows fewer at a time. */
const MATCHES_DESCRIBED = 60

/** What may stand at the cursor, nearest matches first: names that begin with what is typed, else those that contain it. */
export function completeAt(converter: CellConverter, code: string, cursor: number): Completion {
  converter.addGlobals()
  const { start, end, candidates, original } = converter.complete(code, cursor)
  const typed = code.slice(start, cursor).toLowerCase()
  const beginning = candidates.filter(name => name.toLowerCase().startsWith(typed))
  const matches = (beginning.length > 0 ? beginning : candidates).slice(0, MATCHES_SHOWN)
  const kinds = new Map(original?.entries.map(entry => [entry.name, entry.kind as string]))
  const details = converter.describe(cursor, matches.slice(0, MATCHES_DESCRIBED))
  const types = matches.map(
    (text): CompletionType => ({ text, type: kinds.get(text) ?? '', start, end, ...details.get(text) }),
  )
  return { matches, start, end, types }
}

/** Type and documentation of the name at the cursor, or of the function whose arguments it stands in. */
export function inspectAt(converter: CellConverter, code: string, cursor: number, detail: 0 | 1): MimeBundle | null {
  const positions = [cursor, cursor - 1, calledAt(code, cursor)].filter(position => position >= 0)
  let info = firstInfo(converter, code, positions)
  if (!info && !converter.usesGlobals) {
    converter.addGlobals()
    info = firstInfo(converter, code, positions)
  }
  if (!info) return null
  const text = (parts: TS.SymbolDisplayPart[] | undefined) => (parts ?? []).map(part => part.text).join('')
  const tags = (info.tags ?? [])
    .filter(tag => detail === 1 || tag.name === 'param' || tag.name === 'returns' || tag.name === 'throws')
    .map(tag => `@${tag.name} ${text(tag.text)}`.trimEnd())
  const signature = text(info.displayParts)
  const rest = [text(info.documentation), tags.join('\n')].filter(part => part !== '')
  return {
    'text/plain': [signature, ...rest].join('\n\n'),
    'text/markdown': [`\`\`\`typescript\n${signature}\n\`\`\``, ...rest].join('\n\n'),
  }
}

function firstInfo(converter: CellConverter, code: string, positions: number[]): TS.QuickInfo | undefined {
  for (const position of positions) {
    const info = converter.inspect(code, position)
    if (info?.displayParts && info.displayParts.length > 0) return info
  }
  return undefined
}

/** Offset in the name before the innermost open parenthesis left of the cursor, or -1. */
function calledAt(code: string, cursor: number): number {
  let depth = 0
  for (let i = cursor - 1; i >= 0; i--) {
    if (code[i] === ')') depth++
    if (code[i] === '(' && depth-- === 0) return code.slice(0, i).trimEnd().length - 1
  }
  return -1
}

/** Whether a cell may run as it stands. An empty last line ends one that is not complete. */
export function completenessOf(converter: CellConverter, code: string): Completeness {
  const { ts } = converter
  const file = ts.createSourceFile('cell.ts', `export {};\n${code}`, ts.ScriptTarget.Latest, false, ts.ScriptKind.TS)
  const errors = (file as unknown as { parseDiagnostics: TS.Diagnostic[] }).parseDiagnostics
  if (errors.length === 0) return { status: 'complete' }
  // tslab reads a cell as TSX, where some of TypeScript is the beginning of an element
  const { completed, indent } = converter.needsMoreLines(code)
  if (!completed) return { status: 'incomplete', indent: indent ?? '' }
  const atEnd = errors.some(error => unterminated.has(error.code))
  return atEnd && !/\n\s*\n\s*$/.test(code) ? { status: 'incomplete', indent: '' } : { status: 'invalid' }
}

/** Unterminated template literal; unterminated comment. */
const unterminated = new Set([1160, 1010])
