import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { resolveModel } from '../../src/checkpoint/hub-download.js'
import { sha256 } from '../support/fake-hub.js'
import { noise, scene, WEIGHT_BYTES } from '../support/hub-scenes.js'
import { repositoryRoot } from '../support/shared.js'

const python = process.env['LLAMA_PRO_PYTHON'] ?? 'python3'
const hasPython = spawnSync(python, ['-c', 'import huggingface_hub']).status === 0
const weights = noise(WEIGHT_BYTES, 'weights').bytes as Buffer
const AT_STORAGE = /^\/blob\/.*\/model.safetensors$/

/** Runs a program while the fake hub of this process goes on answering; SIGKILL when `killed` resolves. */
function run(command: string, args: string[], env: Record<string, string>, killed?: Promise<void>) {
  const child = spawn(command, args, { cwd: repositoryRoot, env: { ...process.env, HF_HUB_OFFLINE: '0', ...env } })
  killed?.then(() => child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', chunk => {
      output += chunk
    })
  }
  return new Promise<string>(resolve => child.on('close', () => resolve(output)))
}

/** Resolves the model with our code in a process of its own, which prints the directory. */
function resolveInProcess(env: Record<string, string>, killed?: Promise<void>) {
  const program = `import { resolveModel } from './src/checkpoint/hub-download.ts'
    resolveModel('hf://lab/tiny').then(({ directory }) => console.log('DIRECTORY ' + directory))`
  return run(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], env, killed)
}

test('two processes download each file once', async () => {
  const { hub, cacheDir } = await scene()
  hub.fault(AT_STORAGE, 1, (_request, _response, serve) => void setTimeout(serve, 1500))
  const env = { HF_ENDPOINT: hub.url, HF_HUB_CACHE: cacheDir }
  const [one, two] = await Promise.all([resolveInProcess(env), resolveInProcess(env)])
  expect(one).toContain('DIRECTORY')
  expect(two).toBe(one)
  expect(hub.bodies('model.safetensors')).toHaveLength(1)
  await hub.close()
})

test('a process killed in the middle leaves a part that the next one goes on from, lock or no lock', async () => {
  const { hub, cacheDir, options } = await scene()
  const killed = new Promise<void>(resolve =>
    hub.fault(AT_STORAGE, 1, (_, response) => {
      response.writeHead(200, { etag: `"storage-${sha256(weights).slice(0, 8)}"`, 'content-length': WEIGHT_BYTES })
      response.write(weights.subarray(0, 80_000))
      setTimeout(resolve, 500)
    }),
  )
  await resolveInProcess({ HF_ENDPOINT: hub.url, HF_HUB_CACHE: cacheDir }, killed)
  const { directory } = await resolveModel('hf://lab/tiny', options)
  expect(hub.bodies('model.safetensors').map(({ headers }) => headers.range)).toEqual([undefined, 'bytes=80000-'])
  expect(weights.equals(readFileSync(join(directory, 'model.safetensors')))).toBe(true)
  await hub.close()
})

test.skipIf(!hasPython)("what Python's huggingface_hub downloads we find, and the other way round", async () => {
  const { hub, cacheDir, options } = await scene()
  const download =
    'import sys; from huggingface_hub import snapshot_download; print(snapshot_download("lab/tiny", ignore_patterns=["onnx/*", "*.bin", "cons*", "README*"]))'
  const env = {
    HF_ENDPOINT: hub.url,
    HF_HUB_CACHE: cacheDir,
    HF_HUB_DISABLE_XET: '1',
    HF_HUB_DISABLE_TELEMETRY: '1',
  }
  const theirs = await run(python, ['-c', download], env)
  expect(theirs).toContain('snapshots')
  hub.requests.length = 0
  const ours = await resolveModel('hf://lab/tiny', options)
  expect(theirs).toContain(ours.directory)
  expect(hub.bodies('')).toEqual([])

  const empty = mkdtempSync(join(tmpdir(), 'hub-cache-'))
  const fresh = await resolveModel('hf://lab/tiny', { ...options, cacheDir: empty })
  hub.requests.length = 0
  const found = await run(python, ['-c', download], { ...env, HF_HUB_CACHE: empty, HF_HUB_OFFLINE: '1' })
  expect(found).toBe(`${fresh.directory}\n`)
  expect(hub.requests).toEqual([])
  await hub.close()
})
