import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, test } from 'vitest'
import { openLoader } from '../../src/data/loader.js'
import { dataFileNames, openDataset } from '../../src/lab/open-dataset.js'
import { bytesTokenizer } from '../data/helpers.js'
import { temporaryDirectory } from '../support/temporary.js'
import { documents, writeJsonl } from '../support/tiny-run.js'

const dir = temporaryDirectory('open-dataset')

/** A folder with two shards. */
function folder(name: string): string {
  const path = join(dir, name)
  mkdirSync(path, { recursive: true })
  writeJsonl(join(path, 'one.jsonl'), documents(40, 'one'))
  writeJsonl(join(path, 'two.jsonl'), documents(40, 'two'))
  return path
}

/** The ids of the first batches of a dataset. */
async function batchesOf(path: string): Promise<number[][]> {
  const sources = [{ manifest: await openDataset(path), weight: 1 }]
  const loader = openLoader({ ...bytesTokenizer, sources, seed: 3, seqLen: 32, microBatch: 1, windowDocs: 8 })
  try {
    const batches: number[][] = []
    while (batches.length < 40) batches.push([...(await loader.next()).inputIds])
    return batches
  } finally {
    await loader.dispose()
  }
}

describe('data files named without a manifest', () => {
  test.each(['one.jsonl', '*.jsonl', '../*/one.jsonl', '{one,two}.jsonl'])(
    '%s: the order moves with the folder',
    async pattern => {
      const here = folder(`here/a-${pattern.length}/data`)
      const path = join(dir, 'moved', `b-${pattern.length}`)
      const before = await openDataset(join(here, pattern))
      const batches = await batchesOf(join(here, pattern))
      mkdirSync(join(dir, 'moved'), { recursive: true })
      renameSync(join(here, '..'), path)
      const after = await openDataset(join(path, 'data', pattern))
      expect(after.hash).toBe(before.hash)
      expect(after.name).toBe(before.name)
      expect(await batchesOf(join(path, 'data', pattern))).toEqual(batches)
    },
  )

  test('however the path is written', async () => {
    const path = join(folder('written'), 'one.jsonl')
    const { hash, files } = await openDataset(path)
    expect(files).toEqual([{ path: 'one.jsonl', byteLength: expect.any(Number), format: 'jsonl' }])
    expect((await openDataset(relative(process.cwd(), path))).hash).toBe(hash)
  })

  test('below a folder whose name looks like a wildcard', async () => {
    const plain = folder('plain/data')
    const odd = folder('[odd] {a,b}?/data')
    for (const pattern of ['one.jsonl', '*.jsonl']) {
      const { hash, files } = await openDataset(join(odd, pattern))
      expect(files.length).toBe(pattern === '*.jsonl' ? 2 : 1)
      expect(hash).toBe((await openDataset(join(plain, pattern))).hash)
    }
  })

  test('other names and other bytes are other datasets', async () => {
    const path = folder('others')
    const { hash } = await openDataset(join(path, 'one.jsonl'))
    expect((await openDataset(join(path, 'two.jsonl'))).hash).not.toBe(hash)
    writeFileSync(join(path, 'one.jsonl'), '{"text":"short"}\n')
    expect((await openDataset(join(path, 'one.jsonl'))).hash).not.toBe(hash)
  })

  test('a subset is refused, not passed over', async () => {
    const path = join(folder('subset'), 'one.jsonl')
    await expect(openDataset(path, { subset: 'arxiv' })).rejects.toMatchObject({ code: 'MANIFEST' })
  })
})

test('names tell data files apart by as little of their paths as will do', () => {
  const names = (...paths: string[]) => dataFileNames(paths)
  expect(names('/x/train.jsonl')).toEqual(['train.jsonl'])
  expect(names('/x/a/train.jsonl', '/x/b/train.jsonl', '/x/b/more data.jsonl')).toEqual([
    'a/train.jsonl',
    'b/train.jsonl',
    'more_data.jsonl',
  ])
  expect(names('/x/code.yaml', '/y/code.jsonl')).toEqual([undefined, 'code.jsonl'])
  // one file twice keeps one name, which the loader refuses
  expect(names('/x/train.jsonl', '/x/../x/train.jsonl')).toEqual(['train.jsonl', 'train.jsonl'])
  expect(names('hf://datasets/o/n/a.jsonl', '/n/a.jsonl')).toEqual(['hf_/datasets/o/n/a.jsonl', 'a.jsonl'])
})
