import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, test, vi } from 'vitest'
import { hubFiles, type RemoteFiles } from '../../src/data/hub-files.js'
import { openProbes } from '../../src/lab/evaluate-model.js'
import { Pins, pinnedTo } from '../../src/lab/pinned-sources.js'
import type { RunEvents } from '../../src/lab/run-events.js'
import { runRecipe } from '../../src/lab/run-recipe.js'
import { openTokenizer } from '../../src/tokenizer/tokenizer.js'
import { parseRecipe } from '../../src/train/recipe.js'
import { readRun } from '../../src/train/run-directory.js'
import { Emitter } from '../../src/util/emitter.js'
import { type FakeRepo, startFakeHub } from '../support/fake-hub.js'
import { COMMIT, text } from '../support/hub-scenes.js'
import { temporaryDirectory } from '../support/temporary.js'
import { documents, writeTinyRun } from '../support/tiny-run.js'

const dir = temporaryDirectory('hub-data')
const LATER = 'beef'.padEnd(40, '0')
const PATTERN = 'hf://datasets/lab/set/*.jsonl'

const lines = (name: string) =>
  text(
    documents(20, name)
      .map(text => `${JSON.stringify({ text })}\n`)
      .join(''),
  )
const repo: FakeRepo = { type: 'dataset', name: 'lab/set', commit: COMMIT, files: { 'a.jsonl': lines('a') } }
let hub: Awaited<ReturnType<typeof startFakeHub>>
beforeAll(async () => {
  hub = await startFakeHub([repo])
})
afterAll(() => hub.close())
afterEach(() => {
  vi.unstubAllEnvs()
  Object.assign(repo, { commit: COMMIT, files: { 'a.jsonl': lines('a') } })
})

/** Lets all that is opened without options use the hub of this test and an empty cache. */
function useHub(name: string) {
  vi.stubEnv('HF_ENDPOINT', hub.url)
  vi.stubEnv('HF_HUB_CACHE', join(dir, name, 'hub'))
  vi.stubEnv('XDG_CACHE_HOME', join(dir, name, 'cache'))
  vi.stubEnv('HF_HUB_DISABLE_IMPLICIT_TOKEN', '1')
  vi.stubEnv('HF_HUB_OFFLINE', '0')
}

/** Someone pushes to the branch main. */
function push() {
  Object.assign(repo, { commit: LATER, files: { 'a.jsonl': lines('edited'), 'b.jsonl': lines('b') } })
}

test('a run goes on at the commit that it was started with, although its branch has moved', async () => {
  useHub('run')
  const world = await writeTinyRun(join(dir, 'world'), { steps: 4, checkpointEverySteps: 2 })
  const data = { ...(world['data'] as object), sources: [{ manifest: PATTERN }] }
  const recipe = parseRecipe({ ...world, data })
  const out = join(dir, 'out')
  const stop = new AbortController()
  const first = { recipe, out, threads: 1, signal: stop.signal }
  const events = new Emitter<RunEvents>()
  events.on('checkpoint', () => stop.abort())
  expect(await runRecipe({ ...first, events })).toMatchObject({ status: 'interrupted', step: 2 })
  push()
  expect(await runRecipe({ recipe, out, threads: 1, resume: true })).toMatchObject({ status: 'done', step: 4 })
  const [source] = readRun(out)['sources'] as { files: string[] }[]
  expect(source!.files).toEqual([`hf://datasets/lab/set@${COMMIT}/a.jsonl`])
})

test('only branches and tags of a repository with one known commit are pinned', async () => {
  useHub('pinned')
  const known = `hf://datasets/lab/set@${COMMIT}/a.jsonl`
  const remote = hubFiles()
  const listed = async (files: string[], pattern = PATTERN) =>
    (await pinnedTo(files, remote).list(pattern)).map(({ path }) => path)
  await remote.list(PATTERN)
  push()
  const later = ['a', 'b'].map(name => `hf://datasets/lab/set@${LATER}/${name}.jsonl`)
  expect(await listed([known])).toEqual([known])
  expect(await listed([known], `hf://datasets/lab/set@${LATER}/*.jsonl`)).toEqual(later)
  expect(await listed([known, later[0]!])).toEqual(later)
  expect(await listed([`hf://datasets/lab/other@${COMMIT}/a.jsonl`, '/local/a.jsonl'])).toEqual(later)
})

test('a probe is pinned only by a source of the same repository and revision', async () => {
  const listed: string[] = []
  const remote: RemoteFiles = {
    list: async pattern => {
      listed.push(pattern)
      return []
    },
    open: () => Promise.reject(new Error('not opened')),
  }
  const pins = new Pins()
  const source = pinnedTo([`hf://datasets/lab/set@${COMMIT}/a.jsonl`], remote, pins)
  for (const pattern of ['@main/a', '/b', '@v1/c', `@${LATER}/d`]) await source.list(`hf://datasets/lab/set${pattern}`)
  await pinnedTo([`hf://datasets/lab/set@${LATER}/c`], remote, pins).list('hf://datasets/lab/set@v1/c')
  listed.length = 0
  const probe = pins.of(remote)
  for (const pattern of ['set/p', 'set@main/p', 'set@validation/p', 'set@v1/p', 'other/p'])
    await probe.list(`hf://datasets/lab/${pattern}`)
  const at = (name: string) => `hf://datasets/lab/${name}`
  expect(listed).toEqual([
    at(`set@${COMMIT}/p`),
    at(`set@${COMMIT}/p`),
    at('set@validation/p'),
    at('set@v1/p'),
    at('other/p'),
  ])
})

test('opening probes that wait for the hub ends when it is aborted', async () => {
  useHub('probes')
  const tokenizer = await openTokenizer(join(dir, 'world', 'base'))
  hub.fault(/a\.jsonl/, 1, (_request, response) => {
    response.writeHead(503, { 'retry-after': '500' }).end()
    setTimeout(() => stop.abort(new Error('enough')), 50)
  })
  const stop = new AbortController()
  const probes = [{ name: 'p', path: PATTERN }]
  await expect(openProbes(probes, { tokenizer, maxTokens: 100, seqLen: 16, signal: stop.signal })).rejects.toThrow(
    'enough',
  )
  expect(hub.bodies('a.jsonl').length).toBeGreaterThan(0)
})
