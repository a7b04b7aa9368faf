/** A cell that only asks about a name: `?name`, `name?`, and with two marks for more. No TypeScript program reads so. */

export interface PagerQuestion {
  /** The expression that is asked about, as it stands: `lab.train`. */
  expression: string
  detail: 0 | 1
}

const question =
  /^\s*(?:(\?{1,2})\s*([\p{L}\p{Nl}$_][\p{L}\p{N}$_.]*)|([\p{L}\p{Nl}$_][\p{L}\p{N}$_.]*)\s*(\?{1,2}))\s*;?\s*$/u

/** The question of a cell; null when the cell is a program. */
export function parsePagerQuestion(code: string): PagerQuestion | null {
  const match = question.exec(code)
  if (!match) return null
  const [, before, asked, named, after] = match
  return { expression: (asked ?? named)!.replace(/\.+$/, ''), detail: (before ?? after) === '??' ? 1 : 0 }
}
