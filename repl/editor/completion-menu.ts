/** Choosing among completions: the text always shows the chosen one, Escape brings back what was typed. */
import { type EditBuffer, replaceRange } from './buffer.js'

export interface Candidate {
  /** What replaces the range. */
  text: string
  /** What it is, in a word: `method`, `file`, `option`. */
  kind: string
  /** A line about it; empty when nothing is known. */
  detail: string
  /** Its documentation, shown while it is chosen. */
  about?: string
}

export interface Completions {
  candidates: readonly Candidate[]
  /** UTF-16 range of the text that a candidate replaces. */
  start: number
  end: number
}

export interface Menu extends Completions {
  /** Index of the chosen candidate; -1 when only a common beginning was filled in. */
  readonly chosen: number
  /** The buffer as it was before. */
  readonly original: EditBuffer
}

function commonPrefix(texts: readonly string[]): string {
  let prefix = texts[0] ?? ''
  for (const text of texts) while (!text.startsWith(prefix)) prefix = prefix.slice(0, -1)
  return prefix
}

/** Fills in the only candidate, or what all have in common, and opens a menu where there are several. */
export function openMenu(buffer: EditBuffer, completions: Completions): { buffer: EditBuffer; menu: Menu | null } {
  const { candidates, start, end } = completions
  const prefix = commonPrefix(candidates.map(one => one.text))
  const typed = buffer.text.slice(start, end)
  const isLonger = prefix.length > typed.length || (candidates.length === 1 && prefix !== typed)
  const filled = isLonger ? replaceRange(buffer, start, end, prefix) : buffer
  if (candidates.length < 2) return { buffer: filled, menu: null }
  const menu = { candidates, start, end: isLonger ? start + prefix.length : end, chosen: -1, original: filled }
  return { buffer: filled, menu }
}

/** Chooses the next or the previous candidate. */
export function choose(menu: Menu, direction: -1 | 1): { buffer: EditBuffer; menu: Menu } {
  const count = menu.candidates.length
  const chosen = menu.chosen < 0 && direction < 0 ? count - 1 : (menu.chosen + direction + count) % count
  const buffer = replaceRange(menu.original, menu.start, menu.end, menu.candidates[chosen]!.text)
  return { buffer, menu: { ...menu, chosen } }
}
