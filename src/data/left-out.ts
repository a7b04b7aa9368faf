import type { SourceReport } from './loader.js'
import type { LoaderState } from './loader-state.js'

/**
 * The counters of every source up to a position, to the end of the window of documents that it lies in. Equal positions give
 * equal counters, whatever was read ahead.
 */
export function reportAt({ sources }: LoaderState): SourceReport[] {
  return sources.map(({ name, shuffle: { start, counters = start.counters } }) => ({
    source: name,
    epoch: start.epoch,
    ...counters,
  }))
}

/**
 * What a source has left out so far, as one line; null when that is nothing:
 * `950 documents used; left out: 40 filtered (licence 38, empty 2), 7 of the probes, 3 bad (json 3), 1 bad shard (truncated 1)`.
 */
export function leftOutText({ documents, excluded, filtered, badDocuments, badShards }: SourceReport): string | null {
  const bad = total(badShards)
  const parts = [
    counted(total(filtered), 'filtered', filtered),
    counted(excluded, 'of the probes'),
    counted(total(badDocuments), 'bad', badDocuments),
    counted(bad, bad === 1 ? 'bad shard' : 'bad shards', badShards),
  ].filter(part => part !== null)
  return parts.length === 0 ? null : `${documents} documents used; left out: ${parts.join(', ')}`
}

type Counts = Partial<Record<string, number>>

function total(counts: Counts): number {
  return Object.values(counts).reduce<number>((sum, n = 0) => sum + n, 0)
}

function counted(count: number, what: string, by: Counts = {}): string | null {
  if (count === 0) return null
  const causes = Object.entries(by).map(([cause, n]) => `${cause} ${n}`)
  return `${count} ${what}${causes.length > 0 ? ` (${causes.join(', ')})` : ''}`
}
