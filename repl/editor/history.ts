/** Moving through what was typed before; entries are ordered from the oldest to the newest. */

/** A walk through the entries that begin with what was typed; null entry: the text that was being typed. */
export interface HistoryWalk {
  readonly prefix: string
  /** The text before the walk. */
  readonly draft: string
  /** Index of the entry shown; `entries.length` stands for the draft. */
  readonly index: number
}

export function startWalk(entries: readonly string[], text: string, cursor: number): HistoryWalk {
  return { prefix: text.slice(0, cursor), draft: text, index: entries.length }
}

/** The next entry with the prefix in a direction, or null when there is none. Entries equal to the one shown are passed over. */
export function walk(entries: readonly string[], from: HistoryWalk, direction: -1 | 1): HistoryWalk | null {
  const shown = walkText(entries, from)
  for (let index = from.index + direction; index >= 0 && index < entries.length; index += direction) {
    const entry = entries[index]!
    if (entry.startsWith(from.prefix) && entry !== shown) return { ...from, index }
  }
  return direction > 0 && from.index < entries.length ? { ...from, index: entries.length } : null
}

/** The text that a walk shows. */
export function walkText(entries: readonly string[], { index, draft }: HistoryWalk): string {
  return entries[index] ?? draft
}

/** The rest of the newest entry that begins with the text; empty when there is none. */
export function suggestionFor(entries: readonly string[], text: string): string {
  if (text.trim() === '') return ''
  for (let index = entries.length - 1; index >= 0; index--) {
    const entry = entries[index]!
    if (entry.length > text.length && entry.startsWith(text)) return entry.slice(text.length)
  }
  return ''
}

/** Ctrl-R: the newest entry before `below` that holds the query. */
export interface HistorySearch {
  readonly query: string
  /** Index of the match; -1 without one. */
  readonly index: number
  /** What was typed before the search. */
  readonly draft: string
}

export function findEntry(entries: readonly string[], query: string, below: number): number {
  if (query === '') return -1
  for (let index = Math.min(below, entries.length) - 1; index >= 0; index--)
    if (entries[index]!.includes(query)) return index
  return -1
}

/** The same search with another query: the match shown stays when it still fits. */
export function refineSearch(entries: readonly string[], search: HistorySearch, query: string): HistorySearch {
  const below = search.index < 0 ? entries.length : search.index + 1
  const isShorter = query.length < search.query.length
  return { ...search, query, index: findEntry(entries, query, isShorter ? entries.length : below) }
}

/** The next older match that reads differently; unchanged when there is none. */
export function searchOlder(entries: readonly string[], search: HistorySearch): HistorySearch {
  const shown = entries[search.index]
  let index = findEntry(entries, search.query, search.index < 0 ? entries.length : search.index)
  while (index >= 0 && entries[index] === shown) index = findEntry(entries, search.query, index)
  return index < 0 ? search : { ...search, index }
}
