import { createHash } from 'node:crypto'
import { extname } from 'node:path'
import type { ColumnSource } from 'hyparquet-writer'

/** A source file of this repository: its path from the root, with `/`, and its text. */
export interface SourceFile {
  path: string
  content: string
}

/** The value of one column of a row. */
type Cell = string | bigint | number | string[] | null
export type StackRow = Record<string, Cell>

type BasicType = NonNullable<ColumnSource['type']>

const repository = 'llama-pro-lab'
const licenses = ['MIT']

/** The three groups of columns that describe where a file was seen; each with the event its dates belong to. */
const groups = ['stars', 'issues', 'forks'] as const

/** Columns of The Stack v1 in their order; `list` stands for a list of strings. */
export const stackColumns: readonly { name: string; type: BasicType | 'list' }[] = [
  { name: 'hexsha', type: 'STRING' },
  { name: 'size', type: 'INT64' },
  { name: 'ext', type: 'STRING' },
  { name: 'lang', type: 'STRING' },
  ...groups.flatMap((group): { name: string; type: BasicType | 'list' }[] => [
    { name: `max_${group}_repo_path`, type: 'STRING' },
    { name: `max_${group}_repo_name`, type: 'STRING' },
    { name: `max_${group}_repo_head_hexsha`, type: 'STRING' },
    { name: `max_${group}_repo_licenses`, type: 'list' },
    { name: `max_${group}_count`, type: 'INT64' },
    { name: `max_${group}_repo_${group}_event_min_datetime`, type: 'STRING' },
    { name: `max_${group}_repo_${group}_event_max_datetime`, type: 'STRING' },
  ]),
  { name: 'content', type: 'STRING' },
  { name: 'avg_line_length', type: 'DOUBLE' },
  { name: 'max_line_length', type: 'INT64' },
  { name: 'alphanum_fraction', type: 'DOUBLE' },
]

/** The id that git gives to a file: SHA-1 of `blob <bytes>\0<content>`, hex. */
export function gitBlobId(content: string): string {
  const bytes = new TextEncoder().encode(content)
  return createHash('sha1').update(`blob ${bytes.byteLength}\0`).update(bytes).digest('hex')
}

/** Rounded to 10 digits after the point, as in The Stack. */
const round10 = (value: number) => Number(value.toFixed(10))

/** Unicode code points, the characters that The Stack counts. */
const characters = (text: string) => [...text].length

/**
 * The row of a source file. `avg_line_length` is characters / (newlines + 1), `max_line_length` the longest line in characters,
 * `alphanum_fraction` the share of letters, digits and `_`. Counts and dates are null, and so is the commit: the files are packed
 * from the working tree, before the commit that will hold them exists.
 */
export function stackRow({ path, content }: SourceFile): StackRow {
  const lines = content.split('\n')
  const where = Object.fromEntries(groups.flatMap(group => whereSeen(group, path)))
  const size = characters(content)
  return {
    hexsha: gitBlobId(content),
    size: BigInt(Buffer.byteLength(content)),
    ext: extname(path).slice(1),
    lang: 'TypeScript',
    ...where,
    content,
    avg_line_length: round10(size / lines.length),
    max_line_length: BigInt(Math.max(...lines.map(characters))),
    alphanum_fraction: size === 0 ? 0 : round10((content.match(/[\p{L}\p{N}_]/gu) ?? []).length / size),
  }
}

function whereSeen(group: string, path: string): [string, Cell][] {
  return [
    [`max_${group}_repo_path`, path],
    [`max_${group}_repo_name`, repository],
    [`max_${group}_repo_head_hexsha`, null],
    [`max_${group}_repo_licenses`, licenses],
    [`max_${group}_count`, null],
    [`max_${group}_repo_${group}_event_min_datetime`, null],
    [`max_${group}_repo_${group}_event_max_datetime`, null],
  ]
}
