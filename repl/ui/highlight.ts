/** Colours of what is typed, by TypeScript's own scanner. */
import type TS from '@tslab/typescript-for-tslab'
import { commandLineOf } from '../commands/command-line.js'

export type SpanKind = 'keyword' | 'string' | 'number' | 'comment' | 'command' | 'option'

/** A part of the text in one colour; what lies between has none. */
export interface Span {
  start: number
  end: number
  kind: SpanKind
}

/** The spans of a line at the prompt. Without the compiler only commands have colours. */
export function highlight(text: string, ts: typeof TS | null): Span[] {
  if (commandLineOf(text)) return commandSpans(text)
  return ts === null ? [] : scan(ts, text)
}

function commandSpans(text: string): Span[] {
  const { start } = commandLineOf(text)!
  const options = [...text.matchAll(/(?<=\s)[A-Za-z][\w.-]*=/g)].map(
    ({ index, 0: name }): Span => ({ start: index, end: index + name.length, kind: 'option' }),
  )
  return [{ start: 0, end: start, kind: 'command' }, ...options]
}

function scan(ts: typeof TS, text: string): Span[] {
  const { SyntaxKind } = ts
  const scanner = ts.createScanner(ts.ScriptTarget.Latest, false, ts.LanguageVariant.Standard, text)
  const spans: Span[] = []
  /** Depth of braces inside each open template. */
  const templates: number[] = []
  let isAfterOperand = false
  for (let token = scanner.scan(); token !== SyntaxKind.EndOfFileToken; token = scanner.scan()) {
    if ((token === SyntaxKind.SlashToken || token === SyntaxKind.SlashEqualsToken) && !isAfterOperand)
      token = scanner.reScanSlashToken()
    if (token === SyntaxKind.OpenBraceToken && templates.length > 0) templates.push(templates.pop()! + 1)
    if (token === SyntaxKind.CloseBraceToken && templates.length > 0) {
      const depth = templates.pop()!
      if (depth > 0) templates.push(depth - 1)
      else token = scanner.reScanTemplateToken(false)
    }
    if (token === SyntaxKind.TemplateHead || token === SyntaxKind.TemplateMiddle) templates.push(0)
    const kind = kindOf(ts, token)
    if (kind) spans.push({ start: scanner.getTokenPos(), end: scanner.getTextPos(), kind })
    if (!isTrivia(ts, token)) isAfterOperand = endsOperand(ts, token)
  }
  return spans
}

function kindOf({ SyntaxKind }: typeof TS, token: TS.SyntaxKind): SpanKind | null {
  if (token >= SyntaxKind.FirstKeyword && token <= SyntaxKind.LastFutureReservedWord) return 'keyword'
  if ([SyntaxKind.AwaitKeyword, SyntaxKind.AsyncKeyword, SyntaxKind.OfKeyword, SyntaxKind.TypeKeyword].includes(token))
    return 'keyword'
  if (token === SyntaxKind.NumericLiteral || token === SyntaxKind.BigIntLiteral) return 'number'
  if (token === SyntaxKind.StringLiteral || token === SyntaxKind.RegularExpressionLiteral) return 'string'
  if (token >= SyntaxKind.FirstTemplateToken && token <= SyntaxKind.LastTemplateToken) return 'string'
  const isComment = token === SyntaxKind.SingleLineCommentTrivia || token === SyntaxKind.MultiLineCommentTrivia
  return isComment ? 'comment' : null
}

function isTrivia({ SyntaxKind }: typeof TS, token: TS.SyntaxKind): boolean {
  return token >= SyntaxKind.FirstTriviaToken && token <= SyntaxKind.LastTriviaToken
}

/** Whether a slash after the token divides. */
function endsOperand({ SyntaxKind }: typeof TS, token: TS.SyntaxKind): boolean {
  const ends = [
    SyntaxKind.Identifier,
    SyntaxKind.NumericLiteral,
    SyntaxKind.StringLiteral,
    SyntaxKind.RegularExpressionLiteral,
    SyntaxKind.NoSubstitutionTemplateLiteral,
    SyntaxKind.TemplateTail,
    SyntaxKind.CloseParenToken,
    SyntaxKind.CloseBracketToken,
    SyntaxKind.ThisKeyword,
  ]
  return ends.includes(token)
}
