import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { resolveDataset } from '../../src/data/dataset.js'
import { hubFiles } from '../../src/data/hub-files.js'
import type { Batch } from '../../src/data/loader.js'
import { parseManifest } from '../../src/data/manifest.js'
import { COMMIT, type Scene, scene } from '../support/hub-scenes.js'
import { dataset, sampleTexts, takeBatches, temporaryFolder, withLoader, writeShard } from './helpers.js'

const folder = temporaryFolder()
const names = ['a.jsonl', 'b.jsonl.gz', 'c.jsonl.zst']
const blockCacheDir = mkdtempSync(join(tmpdir(), 'llama-pro-blocks-'))
let hub: Scene

beforeAll(async () => {
  for (const name of names) writeShard(folder, name, sampleTexts(name, 40))
  const files = Object.fromEntries(
    names.map(name => [`data/${name}`, { bytes: readFileSync(join(folder, name)), large: true }]),
  )
  hub = await scene([{ type: 'dataset', name: 'lab/set', commit: COMMIT, files }])
})
afterAll(async () => {
  await hub.hub.close()
  for (const path of [hub.cacheDir, blockCacheDir]) rmSync(path, { recursive: true })
})

it('a dataset on the hub gives the same documents as its local copy, through failures that pass, pinned to a commit', async () => {
  const remote = hubFiles({ ...hub.options, blockCacheDir, blockBytes: 500, cacheBytes: 1e6 })
  const manifest = parseManifest({ name: 'set', files: 'hf://datasets/lab/set@main/data/*.jsonl*' })
  const onHub = await resolveDataset(manifest, { remote })
  expect(onHub.files.map(file => file.path)).toEqual(names.map(name => `hf://datasets/lab/set@${COMMIT}/data/${name}`))
  const local = await dataset(folder, { name: 'set', files: '*.jsonl*' })
  // the same order needs the same key, which is the manifest hash
  const sameOrder = { ...local, hash: onHub.hash }
  hub.hub.fault(/blob/, 3, (_request, response) => response.writeHead(503).end())
  const retries: string[] = []
  const content = ({ inputIds, targets, bytes }: Batch) => ({ inputIds, targets, bytes })
  const fromHub = await withLoader({ sources: [{ manifest: onHub, weight: 1 }] }, async loader => {
    loader.events.on('retry', ({ source, path }) => retries.push(`${source} ${path}`))
    return takeBatches(loader, 60)
  })
  const fromDisk = await withLoader({ sources: [{ manifest: sameOrder, weight: 1 }] }, loader =>
    takeBatches(loader, 60),
  )
  expect(fromHub.map(content)).toEqual(fromDisk.map(content))
  expect(retries).toHaveLength(3)
  expect(retries[0]).toMatch(/^set hf:\/\/datasets\/lab\/set@/)
})

it('a loader that is disposed while it waits for the hub breaks the wait off', async () => {
  const blockCacheDir = temporaryFolder()
  const { options } = hub
  const remote = hubFiles({ ...options, retry: {}, blockCacheDir, blockBytes: 500, cacheBytes: 1e6 })
  const manifest = parseManifest({ name: 'set', files: 'hf://datasets/lab/set@main/data/a.jsonl' })
  const onHub = await resolveDataset(manifest, { remote })
  hub.hub.fault(/blob/, 1, (_request, response) => response.writeHead(503, { 'retry-after': '500' }).end())
  await withLoader({ sources: [{ manifest: onHub, weight: 1 }] }, async loader => {
    const waiting = new Promise(resolve => loader.events.on('retry', resolve))
    const batch = loader.next()
    expect(await waiting).toMatchObject({ waitMs: 500_000 })
    await loader.dispose()
    await expect(batch).rejects.toMatchObject({ code: 'LOADER_DISPOSED' })
  })
})
