import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js'
import { openHubCheckpoint } from '../../src/checkpoint/hub-checkpoint.js'
import { resolveModel } from '../../src/checkpoint/hub-download.js'
import { saveModel } from '../../src/checkpoint/save.js'
import { parseModelConfig } from '../../src/model/config.js'
import { cliWith } from '../cli/harness.js'
import { tinyJson } from '../support/configs.js'
import type { FakeFile } from '../support/fake-hub.js'
import { type Scene, scene, tinyModel } from '../support/hub-scenes.js'
import { temporaryDirectory } from '../support/temporary.js'
import { randomEntries } from '../support/tiny-checkpoint.js'

const dir = temporaryDirectory('hub-checkpoint')
const open: Scene[] = []
afterEach(async () => {
  for (const { hub, cacheDir } of open.splice(0)) {
    await hub.close()
    rmSync(cacheDir, { recursive: true })
  }
})

/** A model on a fake hub, its weights large files; `change` may spoil what is served. */
async function start(maxShardBytes: number, change: (files: Record<string, FakeFile>) => void = () => {}) {
  const local = join(dir, `m${open.length}-${maxShardBytes}`)
  rmSync(local, { recursive: true, force: true })
  const config = parseModelConfig(tinyJson())
  await saveModel(local, { config, tensors: randomEntries(config), maxShardBytes })
  const files = Object.fromEntries(
    readdirSync(local).map(name => {
      const bytes = new Uint8Array(readFileSync(join(local, name)))
      return [name, { bytes, large: name.endsWith('.safetensors') }]
    }),
  )
  change(files)
  const made = await scene([tinyModel({ files })])
  open.push(made)
  return { ...made, local, files }
}

/** Bytes of a weight file before its data. */
const headBytes = ({ bytes }: FakeFile) => 8 + Number(new DataView(bytes.buffer).getBigUint64(0, true))

describe('a model that stays on the hub', () => {
  test.each([5e9, 2000])('has the tensors that it has when downloaded; shards of %d bytes', async maxShardBytes => {
    const { options, local } = await start(maxShardBytes)
    const remote = await openHubCheckpoint('hf://lab/tiny', options)
    const here = await openCheckpoint(local)
    expect(remote.config).toEqual(here.config)
    expect(remote.files.map(({ fileBytes }) => fileBytes)).toEqual(here.files.map(({ fileBytes }) => fileBytes))
    const places = (checkpoint: typeof here) =>
      [...checkpoint.tensors].map(([name, { path, ...place }]) => [name, path.split('/').at(-1), place])
    expect(places(remote)).toEqual(places(here))
    expect(remote.files[0]!.path).toMatch(/^hf:\/\/lab\/tiny@c0ffee0+\/model.*\.safetensors$/)
  })

  test('sends the headers of its weights and not one byte of the data', async () => {
    const { hub, options, files, cacheDir } = await start(2000)
    await openHubCheckpoint('hf://lab/tiny', options)
    const names = Object.keys(files).filter(name => name.endsWith('.safetensors'))
    expect(names.length).toBeGreaterThan(2)
    for (const name of names) {
      const ranges = hub.bodies(name).map(({ headers }) => headers.range)
      expect(ranges, name).toEqual(['bytes=0-7', `bytes=8-${headBytes(files[name]!) - 1}`])
    }
    const kept = readdirSync(cacheDir, { recursive: true, encoding: 'utf8' })
    expect(kept.filter(name => name.endsWith('.safetensors'))).toEqual([])
  })

  test('is read from the cache when it lies there whole', async () => {
    const { hub, options } = await start(2000)
    await resolveModel('hf://lab/tiny', options)
    hub.requests.length = 0
    await openHubCheckpoint('hf://lab/tiny', options)
    expect(hub.requests.filter(({ storage }) => storage)).toEqual([])
  })

  test('is refused when index and shards disagree, a header is hostile, or a parameter is missing', async () => {
    const indexName = 'model.safetensors.index.json'
    const moved = await start(2000, files => {
      const index = JSON.parse(Buffer.from(files[indexName]!.bytes).toString())
      const [first, second] = [...new Set(Object.values<string>(index.weight_map))]
      const name = Object.keys(index.weight_map).find(key => index.weight_map[key] === first)!
      index.weight_map[name] = second
      files[indexName] = { bytes: new TextEncoder().encode(JSON.stringify(index)) }
    })
    await expect(openHubCheckpoint('hf://lab/tiny', moved.options)).rejects.toMatchObject({ code: 'SHARD_INDEX' })
    const hostile = await start(5e9, files => {
      new DataView(files['model.safetensors']!.bytes.buffer).setBigUint64(0, 2n ** 62n, true)
    })
    await expect(openHubCheckpoint('hf://lab/tiny', hostile.options)).rejects.toMatchObject({
      code: 'SAFETENSORS_HEADER_TOO_LONG',
    })
    expect(hostile.hub.bodies('model.safetensors')).toHaveLength(1)
    const missing = await start(5e9, files => {
      files['config.json'] = { bytes: new TextEncoder().encode(JSON.stringify(tinyJson({ num_hidden_layers: 9 }))) }
    })
    await expect(openHubCheckpoint('hf://lab/tiny', missing.options)).rejects.toMatchObject({
      code: 'CHECKPOINT_MISSING',
    })
  })
})

test('llama-pro inspect hf:// tells files, types and parameters without the weights', async () => {
  const { hub, files, local, cacheDir } = await start(5e9)
  const env = { HF_ENDPOINT: hub.url, HF_HUB_CACHE: cacheDir, HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }
  const { code, stdout, stderr } = await cliWith({ env }, 'inspect', 'hf://lab/tiny', '--json')
  expect(stderr).toContain('hf://lab/tiny')
  expect(code).toBe(0)
  const value = JSON.parse(stdout) as Record<string, unknown>
  const here = JSON.parse((await cliWith({}, 'inspect', local, '--json')).stdout) as Record<string, unknown>
  for (const key of ['parameters', 'files', 'dtypes', 'layerMap', 'unknownTensors'])
    expect(value[key]).toEqual(here[key])
  expect(value['dtypes']).toEqual({ F32: (here['parameters'] as { total: number }).total })
  const asked = hub.bodies('model.safetensors').map(({ headers }) => headers.range)
  expect(asked).toEqual(['bytes=0-7', `bytes=8-${headBytes(files['model.safetensors']!) - 1}`])
})
