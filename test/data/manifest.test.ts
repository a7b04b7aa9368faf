import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { resolveDataset } from '../../src/data/dataset.js'
import { documentFilter } from '../../src/data/filter.js'
import { findFiles } from '../../src/data/glob.js'
import { hubFiles, type RemoteFiles } from '../../src/data/hub-files.js'
import { loadManifest, parseManifest } from '../../src/data/manifest.js'
import { SAMPLE_BYTES, sampleHash } from '../../src/data/sample-hash.js'
import { repositoryRoot } from '../support/shared.js'
import { memorySource, temporaryFolder } from './helpers.js'

const folder = temporaryFolder()
for (const path of [
  'a/x-0.jsonl',
  'a/x-1.jsonl.gz',
  'a/y.parquet',
  'a/deep/er/z.jsonl.zst',
  'a/.hidden.jsonl',
  'a/notes.csv',
]) {
  mkdirSync(join(folder, path, '..'), { recursive: true })
  writeFileSync(join(folder, path), path)
}
const paths = async (pattern: string) => (await findFiles(pattern, folder)).map(file => file.path)

describe('glob', () => {
  it.each([
    ['a/*.jsonl', ['a/x-0.jsonl']],
    ['a/x-?.*', ['a/x-0.jsonl', 'a/x-1.jsonl.gz']],
    ['a/**/*.zst', ['a/deep/er/z.jsonl.zst']],
    ['**/*.{parquet,zst}', ['a/deep/er/z.jsonl.zst', 'a/y.parquet']],
    ['./a/x-[01].jsonl*', ['a/x-0.jsonl', 'a/x-1.jsonl.gz']],
    ['a/y.parquet', ['a/y.parquet']],
    ['a', []],
    ['a/none-*', []],
  ])('%s', async (pattern, expected) => {
    expect(await paths(pattern)).toEqual(expected)
    const absolute = await paths(join(folder, pattern).replaceAll('\\', '/'))
    expect(absolute).toEqual(expected.map(path => join(folder, path)))
  })
})

describe('glob and links', () => {
  const links = temporaryFolder()
  const found = async (pattern: string) => (await findFiles(pattern, links)).map(file => file.path)
  for (const path of [
    'disk/python/0.jsonl',
    'disk/java/0.jsonl',
    'set/c/0.jsonl',
    'set/[x]/{0}.jsonl',
    'set/[x]/1.jsonl',
  ]) {
    mkdirSync(join(links, path, '..'), { recursive: true })
    writeFileSync(join(links, path), '{}\n')
  }
  symlinkSync(join(links, 'disk/python'), join(links, 'set/python'))
  symlinkSync(join(links, 'disk/java/0.jsonl'), join(links, 'set/c/1.jsonl'))

  it('walks linked folders and reads linked files', async () => {
    expect(await found('set/*/[01].jsonl')).toEqual([
      'set/[x]/1.jsonl',
      'set/c/0.jsonl',
      'set/c/1.jsonl',
      'set/python/0.jsonl',
    ])
    expect(await found('s*/python/*')).toEqual(['set/python/0.jsonl'])
  })

  it('goes round no circle', async () => {
    mkdirSync(join(links, 'round/a/b'), { recursive: true })
    writeFileSync(join(links, 'round/a/b/0.jsonl'), '')
    symlinkSync(join(links, 'round'), join(links, 'round/a/up'))
    expect(await found('round/**/*.jsonl')).toEqual(['round/a/b/0.jsonl'])
  })

  it.each(['lost/*.jsonl', 'lost/**/*.jsonl'])('%s: a match that leads nowhere is an error', async pattern => {
    mkdirSync(join(links, 'lost/here'), { recursive: true })
    writeFileSync(join(links, 'lost/here/0.jsonl'), '')
    const link = join(links, 'lost', 'gone.jsonl')
    symlinkSync(join(links, 'unmounted'), link)
    await expect(found(pattern)).rejects.toMatchObject({
      code: 'DATASET_FILE',
      message: expect.stringContaining(link),
    })
    expect(await found('lost/h*/*.jsonl')).toEqual(['lost/here/0.jsonl'])
    rmSync(link)
  })

  it.each(['stale/*/0.jsonl', 'stale/**/*.jsonl'])(
    '%s: passes by a link that leads nowhere elsewhere',
    async pattern => {
      mkdirSync(join(links, 'stale/here'), { recursive: true })
      writeFileSync(join(links, 'stale/here/0.jsonl'), '')
      symlinkSync(join(links, 'unmounted'), join(links, 'stale/README'))
      expect(await found(pattern)).toEqual(['stale/here/0.jsonl'])
      rmSync(join(links, 'stale/README'))
    },
  )

  it('takes what exists as it is written before it takes a wildcard', async () => {
    expect(await found('set/[x]/*.jsonl')).toEqual(['set/[x]/1.jsonl', 'set/[x]/{0}.jsonl'])
    expect(await found('set/[x]/{0}.jsonl')).toEqual(['set/[x]/{0}.jsonl'])
    expect(await found('set/[cx]/0.jsonl')).toEqual(['set/c/0.jsonl'])
    expect(await found(`{${'0,'.repeat(200)}set}/c/0.jsonl`)).toEqual(['set/c/0.jsonl'])
  })

  it('names a folder that cannot be listed, and a file that cannot be looked at', async () => {
    // a link to itself is refused to everyone, unlike a mode
    symlinkSync('self', join(links, 'self'))
    const message = expect.stringContaining(join(links, 'self'))
    await expect(found('self/*.jsonl')).rejects.toMatchObject({ code: 'DATASET_FOLDER', message })
    await expect(found('self')).rejects.toMatchObject({ code: 'DATASET_FILE', message })
  })
})

describe('manifest', () => {
  const parse = (manifest: Record<string, unknown>) =>
    parseManifest({ name: 'm', files: 'a/*.jsonl', ...manifest }, { baseDir: folder })

  it.each([
    [{ textfield: 'text' }, /unknown key "textfield"\. Did you mean "textField"\?/],
    [{ filters: { minByte: 1 } }, /unknown key "filters\.minByte"\. Did you mean "minBytes"\?/],
    [
      { filters: { licence: { allow: ['mit'], fields: 'x' } } },
      /unknown key "filters\.licence\.fields"\. Did you mean "field"\?/,
    ],
    [{ name: 'with blanks' }, /name: expected letters/],
    [{ files: [] }, /files/],
    [{ format: 'csv' }, /format/],
  ])('refuses %j', (manifest, message) => {
    expect(() => parse(manifest)).toThrow(
      expect.objectContaining({ code: 'MANIFEST', message: expect.stringMatching(message) }),
    )
  })

  it('finds, sorts and names the files; tells formats by their endings', async () => {
    const { files } = await resolveDataset(parse({ files: ['a/**/*.{zst,gz}', 'a/x-*', 'a/y.parquet'] }))
    expect(files).toEqual([
      { path: 'a/deep/er/z.jsonl.zst', byteLength: 21, format: 'jsonl.zst' },
      { path: 'a/x-0.jsonl', byteLength: 11, format: 'jsonl' },
      { path: 'a/x-1.jsonl.gz', byteLength: 14, format: 'jsonl.gz' },
      { path: 'a/y.parquet', byteLength: 11, format: 'parquet' },
    ])
  })

  it('hashes what the documents follow from and nothing else', async () => {
    const hashOf = async (manifest: Record<string, unknown>) => (await resolveDataset(parse(manifest))).hash
    const plain = await hashOf({})
    expect(await hashOf({ description: 'other words', homepage: 'x', files: ['a/x-0.jsonl', './a/x-0.jsonl'] })).toBe(
      plain,
    )
    for (const other of [
      { files: 'a/x-*' },
      { textField: 'content' },
      { filters: { maxBytes: 9 } },
      { name: 'n' },
      { format: 'jsonl.gz' },
    ])
      expect(await hashOf(other)).not.toBe(plain)
    writeFileSync(join(folder, 'a/grows.jsonl'), 'x')
    const before = await hashOf({ files: 'a/grows.jsonl' })
    writeFileSync(join(folder, 'a/grows.jsonl'), 'xy')
    expect(await hashOf({ files: 'a/grows.jsonl' })).not.toBe(before)
  })

  it('samples see an edit of the same size at head, middle and tail, and leave the hash, and so the order, alone', async () => {
    const path = join(folder, 'a/sampled.jsonl')
    const content = Buffer.alloc(5 * SAMPLE_BYTES, 'x')
    writeFileSync(path, content)
    const resolved = await resolveDataset(parse({ files: 'a/sampled.jsonl' }))
    const before = await resolved.sampleLocalFiles()
    expect(await resolved.sampleLocalFiles()).toBe(before)
    for (const at of [0, content.byteLength >> 1, content.byteLength - 1]) {
      const edited = Buffer.from(content)
      edited[at] = 0x79
      writeFileSync(path, edited)
      const now = await resolveDataset(parse({ files: 'a/sampled.jsonl' }))
      expect(await now.sampleLocalFiles()).not.toBe(before)
      expect(now.hash).toBe(resolved.hash)
    }
    const small = memorySource(Buffer.from('abc'))
    expect(await sampleHash(small)).not.toBe(await sampleHash(memorySource(Buffer.from('abd'))))
  })

  it('says which pattern matches nothing, which name tells no format, and how to reach hf:// files', async () => {
    await expect(resolveDataset(parse({ files: ['a/*.jsonl', 'b/*.jsonl'] }))).rejects.toThrow(
      /no file matches "b\/\*\.jsonl"/,
    )
    await expect(resolveDataset(parse({ files: 'a/notes.csv' }))).rejects.toMatchObject({ code: 'DATASET_FORMAT' })
    const gated = parse({ files: 'hf://datasets/o/n/*.parquet', gated: 'accept the terms' })
    const remote = hubFiles({ offline: true, cacheDir: folder, token: null })
    await expect(resolveDataset(gated, { remote })).rejects.toMatchObject({
      code: 'DATASET_ACCESS',
      message: expect.stringMatching(/HF_HUB_OFFLINE.*accept the terms/s),
    })
  })

  it('takes hf:// files from the client, pinned to the commit that it gives', async () => {
    const path = 'hf://datasets/o/n@0123abc/d/0.jsonl'
    const remote: RemoteFiles = {
      list: async pattern => (pattern === 'hf://datasets/o/n@main/d/*.jsonl' ? [{ path, byteLength: 3 }] : []),
      open: async (asked: string) => memorySource(Buffer.from('{}\n'), 9, asked),
    }
    const dataset = await resolveDataset(parse({ files: 'hf://datasets/o/n@main/d/*.jsonl' }), { remote })
    expect(dataset.files).toEqual([{ path, byteLength: 3, format: 'jsonl' }])
    expect((await dataset.open(0)).path).toBe(path)
  })

  it('gives one subset, or all files of all', () => {
    const parts = { files: undefined, subsets: { one: { files: 'a/x-0.jsonl' }, two: { files: ['a/x-1.jsonl.gz'] } } }
    const value = { name: 'm', ...parts }
    expect(parseManifest(value).files).toEqual(['a/x-0.jsonl', 'a/x-1.jsonl.gz'])
    expect(parseManifest(value, { subset: 'two' })).toMatchObject({ name: 'm/two', files: ['a/x-1.jsonl.gz'] })
    expect(() => parseManifest(value, { subset: 'tow' })).toThrow(/no subset "tow".*Did you mean "two"/)
  })
})

it('the manifests in datasets/ are well formed', async () => {
  const stack = await loadManifest(join(repositoryRoot, 'datasets/hub/the-stack-dedup-python.yaml'))
  expect(stack).toMatchObject({ textField: 'content', gated: expect.stringMatching(/HF_TOKEN/) })
  for (const subset of ['arxiv', 'open-web-math', 'algebraic-stack']) {
    const part = await loadManifest(join(repositoryRoot, 'datasets/hub/proof-pile-2.yaml'), { subset })
    expect(part.name).toBe(`proof-pile-2/${subset}`)
    expect(part.files).toEqual([expect.stringContaining(`/${subset}/train/`)])
  }
  expect((await loadManifest(join(repositoryRoot, 'datasets/hub/proof-pile-2.yaml'))).files).toHaveLength(3)
})

describe('filters', () => {
  const filter = documentFilter(
    parseManifest({
      name: 'm',
      files: 'x',
      filters: {
        minBytes: 2,
        maxBytes: 10,
        licence: { allow: ['MIT', 'BSD-3-Clause'] },
        language: { field: 'meta.lang', allow: ['Lean'] },
      },
    }).filters,
  )
  const fields = (licences: unknown, lang = 'lean') => ({ max_stars_repo_licenses: licences, meta: { lang } })

  it.each([
    [null, fields(['mit']), 5],
    [null, fields(['MIT', 'bsd-3-clause']), 2],
    ['empty', fields(['MIT']), 0],
    ['minBytes', fields(['MIT']), 1],
    ['maxBytes', fields(['MIT']), 11],
    ['licence', fields(['MIT', 'GPL-3.0']), 5],
    ['licence', fields([]), 5],
    ['licence', fields(null), 5],
    ['language', fields('MIT', 'Coq'), 5],
  ])('%s', (reason, record, bytes) => {
    expect(filter(record, bytes)).toBe(reason)
  })
})
