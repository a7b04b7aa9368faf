import { createHash } from 'node:crypto'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { HubEvent } from '../../src/checkpoint/hub-client.js'
import type { DownloadOptions } from '../../src/checkpoint/hub-download.js'
import { type FakeFile, type FakeHub, type FakeRepo, startFakeHub } from './fake-hub.js'

export const COMMIT = 'c0ffee'.padEnd(40, '0')

export const text = (content: string): FakeFile => ({ bytes: new TextEncoder().encode(content) })

/** A large file of reproducible noise. */
export function noise(byteLength: number, name: string): FakeFile {
  return { bytes: createHash('shake256', { outputLength: byteLength }).update(name).digest(), large: true }
}

export const WEIGHT_BYTES = 200_000

/** A model repository as they are found: one weight file, and things that a model does not need. */
export function tinyModel(overrides: Partial<FakeRepo> = {}): FakeRepo {
  return {
    type: 'model',
    name: 'lab/tiny',
    commit: COMMIT,
    files: {
      'README.md': text('# tiny'),
      'config.json': text('{"model_type":"llama"}'),
      'generation_config.json': text('{"do_sample":false}'),
      'tokenizer.json': text('{"version":"1.0"}'),
      'tokenizer_config.json': text('{}'),
      'model.safetensors': noise(WEIGHT_BYTES, 'weights'),
      'consolidated.safetensors': noise(1000, 'copy'),
      'pytorch_model.bin': noise(1000, 'pickle'),
      'onnx/model.onnx': noise(1000, 'onnx'),
    },
    ...overrides,
  }
}

/** A hub with these repositories, an empty cache, and options that wait for nothing and record what happens. */
export async function scene(repos: FakeRepo[] = [tinyModel()]) {
  const hub = await startFakeHub(repos)
  const cacheDir = mkdtempSync(join(tmpdir(), 'hub-cache-'))
  const events: HubEvent[] = []
  const waits: number[] = []
  const options: DownloadOptions = {
    hubUrl: hub.url,
    cacheDir,
    env: {},
    token: null,
    retry: { random: () => 0.5, sleep: async ms => void waits.push(ms) },
    onEvent: event => events.push(event),
  }
  return { hub, cacheDir, events, waits, options, kinds: () => events.map(({ kind }) => kind) }
}

export type Scene = Awaited<ReturnType<typeof scene>> & { hub: FakeHub }
