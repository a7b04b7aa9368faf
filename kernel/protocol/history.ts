/** The history of executed cells: one JSON object a line, in a file that sessions share and that stays small. */
import { randomUUID } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

export interface HistoryEntry {
  session: number
  line: number
  source: string
  /** text/plain of the result; null when there was none. */
  output: string | null
}

export interface HistoryOptions {
  /** Null keeps the history in memory. */
  path: string | null
  /** Entries that are kept; default 10,000. */
  maxEntries?: number
  /** Characters of a source or output that are kept; default 100,000. Longer sources are left out, longer outputs are cut. */
  maxChars?: number
  /** Characters of all entries that are kept; default 8 million. */
  maxTotalChars?: number
  /** Told once when the file cannot be read or written; the history goes on in memory. */
  onProblem?: (message: string) => void
}

/** What `history_request` asks for. */
export type HistoryQuery =
  | { access: 'tail'; n: number }
  | { access: 'range'; session: number; start: number; stop: number | null }
  | { access: 'search'; pattern: string; n: number | null; unique: boolean }

/** The query in the content of a history_request. Sessions <= 0 count back from the present one; a range ends before `stop`. */
export function parseHistoryQuery(content: Record<string, unknown>): HistoryQuery {
  const { hist_access_type: access, n, session, start, stop, pattern, unique } = content
  const count = typeof n === 'number' ? n : null
  if (access === 'range')
    return {
      access,
      session: typeof session === 'number' ? session : 0,
      start: typeof start === 'number' ? start : 0,
      stop: typeof stop === 'number' ? stop : null,
    }
  if (access === 'search')
    return { access, pattern: typeof pattern === 'string' ? pattern : '*', n: count, unique: unique === true }
  return { access: 'tail', n: count ?? 10 }
}

/**
 * Whether a shell pattern (`*` any text, `?` any character) fits the whole of `text`; in a time of at most
 * pattern x text, whatever the pattern.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  let [p, t, star, resume] = [0, 0, -1, 0]
  while (t < text.length) {
    if (pattern[p] === '*') {
      star = p++
      resume = t
    } else if (pattern[p] === '?' || pattern[p] === text[t]) {
      p++
      t++
    } else if (star >= 0) {
      p = star + 1
      t = ++resume
    } else return false
  }
  while (pattern[p] === '*') p++
  return p === pattern.length
}

export class History {
  /** Number of this session: one more than the last in the file. */
  readonly session: number
  #entries: HistoryEntry[]
  #path: string | null
  readonly #onProblem: (message: string) => void
  readonly #limits: { maxEntries: number; maxChars: number; maxTotalChars: number }
  #totalChars: number

  constructor(options: HistoryOptions) {
    const { path, maxEntries = 10_000, maxChars = 100_000, maxTotalChars = 8_000_000, onProblem = () => {} } = options
    this.#path = path
    this.#onProblem = onProblem
    this.#limits = { maxEntries, maxChars, maxTotalChars }
    const { entries, lastSession } = this.#onDisk(readRecords) ?? { entries: [], lastSession: 0 }
    this.#entries = entries
    this.#totalChars = charsOfAll(entries)
    if (this.#exceeds(1)) this.#trim()
    this.session = this.#onDisk(file => claimSession(file, lastSession)) ?? lastSession + 1
  }

  add({ line, source, output }: Omit<HistoryEntry, 'session'>): void {
    if (source.trim() === '' || source.length > this.#limits.maxChars) return
    const entry = { session: this.session, line, source, output: output?.slice(0, this.#limits.maxChars) ?? null }
    this.#entries.push(entry)
    this.#totalChars += charsOf(entry)
    this.#onDisk(file => append(file, entry))
    if (this.#exceeds(2)) this.#trim()
  }

  /** Entries from the oldest to the newest. */
  query(query: HistoryQuery): HistoryEntry[] {
    if (query.access === 'tail') return lastOf(this.#entries, query.n)
    if (query.access === 'range') {
      const session = query.session <= 0 ? this.session + query.session : query.session
      const stop = query.stop ?? Number.POSITIVE_INFINITY
      return this.#entries.filter(e => e.session === session && e.line >= query.start && e.line < stop)
    }
    const found = this.#entries.filter(entry => matchesGlob(query.pattern, entry.source))
    return lastOf(query.unique ? newestOfEach(found) : found, query.n ?? found.length)
  }

  /** Whether there is more than `factor` times what is kept. */
  #exceeds(factor: number): boolean {
    const { maxEntries, maxTotalChars } = this.#limits
    return this.#entries.length > factor * maxEntries || this.#totalChars > factor * maxTotalChars
  }

  /** Forgets the oldest entries; the file, with what other sessions have added meanwhile, is written anew only then. */
  #trim(): void {
    const onDisk = this.#onDisk(readRecords)
    if (onDisk) {
      this.#entries = onDisk.entries
      this.#totalChars = charsOfAll(onDisk.entries)
    }
    while (this.#exceeds(1)) this.#totalChars -= charsOf(this.#entries.shift()!)
    if (!onDisk) return
    this.#onDisk(file => {
      const temporary = `${file}.${process.pid}`
      // a session that has no entry yet keeps its number
      const records = [...this.#entries, { session: onDisk.lastSession }]
      writeFileSync(temporary, records.map(record => `${JSON.stringify(record)}\n`).join(''), { mode: 0o600 })
      renameSync(temporary, file)
    })
  }

  /** Does something with the file; after the first failure there is no file any more. */
  #onDisk<T>(act: (file: string) => T): T | undefined {
    if (this.#path === null) return undefined
    try {
      return act(this.#path)
    } catch (error) {
      this.#onProblem(
        `the history is kept in memory only: ${error instanceof Error ? error.message : error}. ` +
          'LLAMA_PRO_HISTORY=<file> puts it elsewhere; an empty one asks for none',
      )
      this.#path = null
      return undefined
    }
  }
}

/** Takes the number after `last`, or the next one that no other process has taken at the same time: the first in the file has it. */
function claimSession(file: string, last: number): number {
  mkdirSync(dirname(file), { recursive: true })
  for (let session = last + 1; ; session++) {
    const claim = randomUUID()
    // a write that was cut off has left a line without an end, where the claim would be lost
    appendFileSync(file, `\n${JSON.stringify({ session, claim })}\n`, { mode: 0o600 })
    const first = readRecords(file).claims.get(session)
    // what cannot be read back (/dev/null) keeps no claims, so there is nobody to differ from
    if (first === claim || first === undefined) return session
  }
}

function append(file: string, record: HistoryEntry): void {
  appendFileSync(file, `${JSON.stringify(record)}\n`, { mode: 0o600 })
}

function charsOfAll(entries: readonly HistoryEntry[]): number {
  return entries.reduce((sum, entry) => sum + charsOf(entry), 0)
}

function charsOf({ source, output }: HistoryEntry): number {
  return source.length + (output?.length ?? 0)
}

function lastOf<T>(list: readonly T[], n: number): T[] {
  return n > 0 ? list.slice(-n) : []
}

function newestOfEach(entries: readonly HistoryEntry[]): HistoryEntry[] {
  const bySource = new Map<string, HistoryEntry>()
  for (const entry of entries) {
    bySource.delete(entry.source)
    bySource.set(entry.source, entry)
  }
  return [...bySource.values()]
}

/** The beginning of a session; `claim` tells those apart that began at the same time. */
interface SessionRecord {
  session: number
  claim?: string
}

interface Records {
  entries: HistoryEntry[]
  lastSession: number
  /** Session -> the first claim to its number. */
  claims: Map<number, string | undefined>
}

/** What a file holds; lines that are no records (a write that was cut off) are passed over. */
function readRecords(path: string): Records {
  const found: Records = { entries: [], lastSession: 0, claims: new Map() }
  for (const record of textOf(path).split('\n').flatMap(parseRecord)) {
    found.lastSession = Math.max(found.lastSession, record.session)
    if ('source' in record) found.entries.push(record)
    if (!found.claims.has(record.session))
      found.claims.set(record.session, 'claim' in record ? record.claim : undefined)
  }
  return found
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

function parseRecord(line: string): (HistoryEntry | SessionRecord)[] {
  try {
    const { session, line: number, source, output, claim } = JSON.parse(line) as Record<string, unknown>
    if (!Number.isInteger(session)) return []
    if (typeof source !== 'string' || !Number.isInteger(number))
      return [{ session: session as number, ...(typeof claim === 'string' && { claim }) }]
    const text = typeof output === 'string' ? output : null
    return [{ session: session as number, line: number as number, source, output: text }]
  } catch {
    return []
  }
}
