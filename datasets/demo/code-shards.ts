import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SchemaElement } from 'hyparquet'
import { parquetWriteBuffer } from 'hyparquet-writer'
import type { ShardFile } from './shard-file.js'
import { type SourceFile, type StackRow, stackColumns, stackRow } from './stack-row.js'

const folders = ['datasets', 'kernel', 'repl', 'src', 'test']
const skipped = new Set(['node_modules', 'dist', 'coverage', 'runs'])
/** Files outside these bounds, in bytes, are left out. */
const minBytes = 200
const maxBytes = 60_000
const trainShards = 3
const rowGroupRows = 32
/** Share of the files, by path hash, that go to validation. */
const validationShare = 0.1

/** TypeScript files of the repository at `root`, in path order. */
export function sourceFiles(root: string): SourceFile[] {
  return folders
    .flatMap(folder => walk(root, folder))
    .sort()
    .flatMap(path => {
      const content = readFileSync(join(root, path), 'utf8')
      const bytes = Buffer.byteLength(content)
      return bytes < minBytes || bytes > maxBytes ? [] : [{ path, content }]
    })
}

function walk(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return []
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap(entry => {
    if (entry.name.startsWith('.') || skipped.has(entry.name)) return []
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) return walk(root, path)
    return entry.isFile() && /\.tsx?$/.test(entry.name) ? [path] : []
  })
}

/** A number in [0, 1) that depends on the path alone, so a file stays in its split when others come or go. */
function pathFraction(path: string): number {
  return createHash('sha256').update(path).digest().readUInt32BE(0) / 2 ** 32
}

/** Train and validation by path hash, each in the order of the hash; validation has at least one file. Equal contents stay in train only once. */
export function splitSources(files: readonly SourceFile[]): { train: SourceFile[]; validation: SourceFile[] } {
  const ordered = [...files].sort((a, b) => pathFraction(a.path) - pathFraction(b.path))
  const seen = new Set<string>()
  const unique = ordered.filter(({ content }) => !seen.has(content) && seen.add(content))
  const cut = Math.max(1, unique.filter(({ path }) => pathFraction(path) < validationShare).length)
  return { train: unique.slice(cut), validation: unique.slice(0, cut) }
}

/** The parquet schema of The Stack v1: every column optional, licence lists as three-level lists. */
function stackSchema(): SchemaElement[] {
  const columns = stackColumns.flatMap(({ name, type }): SchemaElement[] => {
    if (type === 'list') return listSchema(name)
    if (type === 'STRING')
      return [
        {
          name,
          type: 'BYTE_ARRAY',
          converted_type: 'UTF8',
          logical_type: { type: 'STRING' },
          repetition_type: 'OPTIONAL',
        },
      ]
    return [{ name, type: type as 'INT64' | 'DOUBLE', repetition_type: 'OPTIONAL' }]
  })
  return [{ name: 'schema', num_children: stackColumns.length, repetition_type: 'REQUIRED' }, ...columns]
}

function listSchema(name: string): SchemaElement[] {
  return [
    { name, converted_type: 'LIST', logical_type: { type: 'LIST' }, repetition_type: 'OPTIONAL', num_children: 1 },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    {
      name: 'element',
      type: 'BYTE_ARRAY',
      converted_type: 'UTF8',
      logical_type: { type: 'STRING' },
      repetition_type: 'OPTIONAL',
    },
  ]
}

/** One parquet file (snappy, row groups of 32 rows) from rows of The Stack's columns. */
export function packRows(rows: readonly StackRow[]): Uint8Array {
  const columnData = stackColumns.map(({ name }) => ({ name, data: rows.map(row => row[name]) }))
  return new Uint8Array(parquetWriteBuffer({ columnData, schema: stackSchema(), rowGroupSize: rowGroupRows }))
}

/** The shards of the code source, packed from the sources under `root`: three for training, one for the probe. */
export function codeShards(root: string): ShardFile[] {
  const { train, validation } = splitSources(sourceFiles(root))
  const pack = (path: string, files: readonly SourceFile[]): ShardFile => ({
    path,
    bytes: packRows(files.map(stackRow)),
  })
  const shards = Array.from({ length: trainShards }, (_, shard) =>
    pack(
      `code/train-0000${shard}.parquet`,
      train.filter((_file, i) => i % trainShards === shard),
    ),
  )
  return [...shards, pack('code/validation-00000.parquet', validation)]
}
