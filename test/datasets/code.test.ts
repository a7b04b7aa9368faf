import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parquetMetadata, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { describe, expect, it } from 'vitest'
import { codeShards, packRows, sourceFiles, splitSources } from '../../datasets/demo/code-shards.js'
import { gitBlobId, type StackRow, stackColumns, stackRow } from '../../datasets/demo/stack-row.js'
import { hasShared, repositoryRoot, shared } from '../support/shared.js'

type Files = ReturnType<typeof sourceFiles>

const folder = fileURLToPath(new URL('../../datasets/demo/code', import.meta.url))
const shardNames = ['train-00000.parquet', 'train-00001.parquet', 'train-00002.parquet', 'validation-00000.parquet']

/** The column names of The Stack v1, written out: the order is part of the format. */
const stackOrder = [
  ...['hexsha', 'size', 'ext', 'lang'],
  ...['stars', 'issues', 'forks'].flatMap(group => [
    ...['path', 'name', 'head_hexsha', 'licenses'].map(field => `max_${group}_repo_${field}`),
    `max_${group}_count`,
    `max_${group}_repo_${group}_event_min_datetime`,
    `max_${group}_repo_${group}_event_max_datetime`,
  ]),
  ...['content', 'avg_line_length', 'max_line_length', 'alphanum_fraction'],
]

const toBuffer = (bytes: Uint8Array) =>
  bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer
const topColumns = (file: ArrayBuffer) =>
  parquetMetadata(file).row_groups[0]!.columns.map(column => column.meta_data!.path_in_schema[0])

async function rowsOf(file: ArrayBuffer): Promise<StackRow[]> {
  return (await parquetReadObjects({ file, compressors })) as StackRow[]
}

const someFiles = (count: number): Files =>
  Array.from({ length: count }, (_, i) => ({
    path: `src/part-${i}/file-${i}.ts`,
    content: `export const value${i} = ${i}\n`.repeat(9 + i),
  }))

describe('rows of the code shards', () => {
  it('hexsha is the id that git gives to the file', () => {
    // `git hash-object` of an empty file and of "hello\n"
    expect(gitBlobId('')).toBe('e69de29bb2d1d6434b8b29ae775ad8c2e48c5391')
    expect(gitBlobId('hello\n')).toBe('ce013625030ba8dba906f756967f9e9ca394464a')
    expect(gitBlobId('\u00e4')).not.toBe(gitBlobId('a'))
  })

  it('have the 29 columns of The Stack v1 in their order', () => {
    expect(stackColumns.map(column => column.name)).toEqual(stackOrder)
    expect(Object.keys(stackRow({ path: 'src/a.ts', content: 'x\n' }))).toEqual(stackOrder)
    expect(stackOrder).toHaveLength(29)
  })

  it('count characters, not bytes, and end lines at carriage returns', () => {
    const row = stackRow({ path: 'src/a.tsx', content: 'a_\u{1f600}b\r\n1\n' })
    expect(row).toMatchObject({
      size: 11n,
      ext: 'tsx',
      max_line_length: 4n,
      avg_line_length: 2.6666666667,
      alphanum_fraction: 0.5,
    })
  })

  const reference = 'data/stack-python/validation-00000.parquet'
  it.skipIf(!hasShared(reference))('have the figures that other rows in the format of The Stack have', async () => {
    const rows = await rowsOf(toBuffer(readFileSync(shared(reference))))
    expect(rows.length).toBeGreaterThan(200)
    for (const row of rows) {
      const ours = stackRow({ path: String(row['max_stars_repo_path']), content: String(row['content']) })
      for (const column of ['hexsha', 'size', 'ext', 'avg_line_length', 'max_line_length', 'alphanum_fraction'])
        expect(ours[column], `${column} of ${row['max_stars_repo_path']}`).toEqual(row[column])
    }
  })
})

describe('splitting and packing', () => {
  it('puts every file in one split, the same one when others come and go', () => {
    const files = someFiles(300)
    const { train, validation } = splitSources(files)
    expect([...train, ...validation].map(file => file.path).sort()).toEqual(files.map(file => file.path).sort())
    expect(validation.length).toBeGreaterThan(10)
    expect(validation.length).toBeLessThan(60)
    const half = splitSources(files.filter((_, i) => i % 2 === 0))
    const before = new Set(validation.map(file => file.path))
    expect(half.validation.every(file => before.has(file.path))).toBe(true)
    expect(half.train.some(file => before.has(file.path))).toBe(false)
  })

  it('keeps one of equal files, so that no content is in both splits', () => {
    const twins = someFiles(40).flatMap(file => [file, { ...file, path: `test/${file.path}` }])
    const { train, validation } = splitSources(twins)
    const contents = [...train, ...validation].map(file => file.content)
    expect(new Set(contents).size).toBe(contents.length)
    expect(contents).toHaveLength(40)
  })

  it('reads back as it was written, with nulls, lists and several row groups', async () => {
    const rows = someFiles(70).map(stackRow)
    const file = toBuffer(packRows(rows))
    expect(parquetMetadata(file).row_groups.map(group => Number(group.num_rows))).toEqual([32, 32, 6])
    expect(topColumns(file)).toEqual(stackOrder)
    expect(await rowsOf(file)).toEqual(rows)
  })

  it('makes the same bytes each time and leaves nothing out of the repository but what is too small or too large', () => {
    const files = sourceFiles(repositoryRoot)
    expect(files.map(file => file.path)).toContain('src/util/errors.ts')
    expect(files.every(({ path, content }) => /\.tsx?$/.test(path) && Buffer.byteLength(content) <= 60_000)).toBe(true)
    const [first, second] = [codeShards(repositoryRoot), codeShards(repositoryRoot)]
    expect(first.map(shard => shard.path)).toEqual(shardNames.map(name => `code/${name}`))
    for (const [i, shard] of first.entries()) expect(Buffer.compare(shard.bytes, second[i]!.bytes), shard.path).toBe(0)
  })
})

describe('the code shards of the repository', async () => {
  const shards = await Promise.all(
    shardNames.map(async name => {
      const file = toBuffer(readFileSync(`${folder}/${name}`))
      return { name, file, rows: await rowsOf(file) }
    }),
  )

  it('are the four files of the manifest', () => {
    expect(readdirSync(folder).sort()).toEqual(shardNames)
  })

  it.each(shards)('$name: columns in order, figures that follow from the content', ({ file, rows }) => {
    expect(topColumns(file)).toEqual(stackOrder)
    expect(rows.length).toBeGreaterThan(0)
    for (const row of rows) {
      const again = stackRow({ path: String(row['max_stars_repo_path']), content: String(row['content']) })
      expect(row, String(row['max_stars_repo_path'])).toEqual(again)
      expect(row['max_stars_repo_licenses']).toEqual(['MIT'])
    }
  })

  it('hold no file twice, and come from this project', () => {
    const rows = shards.flatMap(shard => shard.rows)
    expect(new Set(rows.map(row => row['hexsha'])).size).toBe(rows.length)
    expect(new Set(rows.map(row => row['max_stars_repo_path'])).size).toBe(rows.length)
    const here = rows.filter(row => existsSync(`${repositoryRoot}/${row['max_stars_repo_path']}`))
    expect(here.length / rows.length).toBeGreaterThan(0.5)
  })
})
