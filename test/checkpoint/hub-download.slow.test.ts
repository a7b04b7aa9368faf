import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { downloadHubFile, resolveModel } from '../../src/checkpoint/hub-download.js'
import { type FakeRepo, serveBytes, sha256 } from '../support/fake-hub.js'
import { COMMIT, noise, type Scene, scene, text, tinyModel, WEIGHT_BYTES } from '../support/hub-scenes.js'

const open: Scene[] = []
async function start(repos?: FakeRepo[]): Promise<Scene> {
  const made = await scene(repos)
  open.push(made)
  return made
}
afterEach(async () => {
  for (const { hub, cacheDir } of open.splice(0)) {
    await hub.close()
    rmSync(cacheDir, { recursive: true })
  }
})

const ADDRESS = 'hf://lab/tiny'
const weights = noise(WEIGHT_BYTES, 'weights').bytes as Buffer
const blobOf = ({ cacheDir }: Scene) => join(cacheDir, 'models--lab--tiny', 'blobs', sha256(weights))
const leftovers = ({ cacheDir }: Scene) =>
  readdirSync(cacheDir, { recursive: true, encoding: 'utf8' }).filter(name =>
    /\.(incomplete|etag|pid)$|\.tmp|stale/.test(name),
  )
const WEIGHTS_AT_STORAGE = /^\/blob\/.*\/model.safetensors$/

/**
 * Sends the head and `sent` bytes of what was asked for, waits until they are on disk, then does `end` (default: breaks the
 * socket). Bytes that a broken socket still held when nobody had read them are lost, as they should be, so a fixed wait
 * would leave it to the load of the machine how many arrive.
 */
const cutAfter =
  (made: Scene, sent: number, end: (destroy: () => void) => void = destroy => destroy()) =>
  (request: Parameters<typeof serveBytes>[0], response: Parameters<typeof serveBytes>[1]) => {
    const start = Number(/bytes=(\d+)/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const etag = `"storage-${sha256(weights).slice(0, 8)}"`
    const headers: Record<string, string> = { etag, 'content-length': String(WEIGHT_BYTES - start) }
    if (start > 0) headers['content-range'] = `bytes ${start}-${WEIGHT_BYTES - 1}/${WEIGHT_BYTES}`
    response.writeHead(start > 0 ? 206 : 200, headers)
    response.write(weights.subarray(start, start + sent))
    const poll = setInterval(() => {
      if ((statSync(`${blobOf(made)}.incomplete`, { throwIfNoEntry: false })?.size ?? 0) < start + sent) return
      clearInterval(poll)
      end(() => response.destroy())
    }, 5)
    response.on('close', () => clearInterval(poll))
  }

describe('a model', () => {
  test('comes with what it needs and nothing else, in the layout of huggingface_hub', async () => {
    const made = await start()
    const { directory, commit, pinned, files } = await resolveModel(ADDRESS, made.options)
    expect(commit).toBe(COMMIT)
    expect(pinned).toBe(`hf://lab/tiny@${COMMIT}`)
    expect(directory).toBe(join(made.cacheDir, 'models--lab--tiny', 'snapshots', COMMIT))
    const expected = [
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer_config.json',
    ]
    expect(readdirSync(directory).sort()).toEqual(expected)
    expect(files.map(({ path }) => path).sort()).toEqual(expected)
    expect(weights.equals(readFileSync(join(directory, 'model.safetensors')))).toBe(true)
    expect(readlinkSync(join(directory, 'model.safetensors'))).toBe(`../../blobs/${sha256(weights)}`)
    expect(readFileSync(join(made.cacheDir, 'models--lab--tiny', 'refs', 'main'), 'utf8')).toBe(COMMIT)
    expect(leftovers(made)).toEqual([])
    expect(made.events).toEqual([])
  })

  test('is not fetched again: the second time costs one request for the revision, a pinned one none', async () => {
    const { hub, options } = await start()
    const first = await resolveModel(ADDRESS, options)
    hub.requests.length = 0
    expect(await resolveModel(ADDRESS, options)).toEqual(first)
    expect(hub.requests.map(({ path }) => path.split('?')[0])).toEqual(['/api/models/lab/tiny/revision/main'])
    hub.requests.length = 0
    expect((await resolveModel(first.pinned, options)).directory).toBe(first.directory)
    expect(hub.requests).toEqual([])
  })

  test('with shards: the index decides; a new commit fetches only what changed', async () => {
    const shard = (n: number) => `model-0000${n}-of-00002.safetensors`
    const index = { weight_map: { a: shard(1), b: shard(2), c: shard(1) } }
    const files = {
      'sub/config.json': text('{}'),
      'sub/model.safetensors.index.json': text(JSON.stringify(index)),
      [`sub/${shard(1)}`]: noise(5000, 'one'),
      [`sub/${shard(2)}`]: noise(6000, 'two'),
      'sub/model-00003-of-00003.safetensors': noise(10, 'stray'),
    }
    const repo = tinyModel({ files })
    const { hub, options } = await start([repo])
    const { directory } = await resolveModel('hf://lab/tiny/sub', options)
    expect(readdirSync(directory).sort()).toEqual(['config.json', shard(1), shard(2), 'model.safetensors.index.json'])
    hub.requests.length = 0
    repo.commit = 'd'.repeat(40)
    repo.files = { ...files, [`sub/${shard(2)}`]: noise(6000, 'retrained') }
    const next = await resolveModel('hf://lab/tiny/sub', options)
    expect(next.directory).not.toBe(directory)
    expect(hub.requests.filter(({ storage }) => storage)).toHaveLength(1)
    expect(new Uint8Array(readFileSync(join(next.directory, shard(2))))).toEqual(
      new Uint8Array(repo.files[`sub/${shard(2)}`]!.bytes),
    )
    expect(new Uint8Array(readFileSync(join(directory, shard(2))))).toEqual(
      new Uint8Array(files[`sub/${shard(2)}`]!.bytes),
    )
  })

  test('progress counts every byte once and ends at the total', async () => {
    const { options } = await start()
    const seen: { bytes: number; totalBytes: number }[] = []
    await resolveModel(ADDRESS, { ...options, onProgress: progress => seen.push(progress) })
    expect(seen.every(({ bytes }, i) => i === 0 || bytes >= seen[i - 1]!.bytes)).toBe(true)
    expect(seen.at(-1)!.bytes).toBe(seen.at(-1)!.totalBytes)
    expect(seen.at(-1)!.totalBytes).toBeGreaterThan(WEIGHT_BYTES)
  })

  test.each([
    [{ 'config.json': text('{}'), 'pytorch_model.bin': noise(9, 'p') }, 'pickled'],
    [{ 'config.json': text('{}'), 'adapter_model.safetensors': noise(9, 'p') }, 'LoRA adapter'],
    [{ 'config.json': text('{}'), 'x.gguf': noise(9, 'p') }, 'GGUF'],
    [{ 'deep/config.json': text('{}') }, 'Folders that have one: deep'],
    [
      { 'config.json': text('{}'), 'model.safetensors.index.json': text('{"weight_map":{"a":"../../x"}}') },
      'not there: ../../x',
    ],
    [{ 'config.json': text('{}'), 'model.safetensors.index.json': text('[]') }, 'expected {"weight_map"'],
  ])('that cannot be one is refused with the reason (%#)', async (files: FakeRepo['files'], why) => {
    const { options } = await start([tinyModel({ files })])
    await expect(resolveModel(ADDRESS, options)).rejects.toThrowError(why)
  })
})

describe('faults', () => {
  test('a reset in the middle: the rest is asked for by range with the etag, and no byte twice', async () => {
    const made = await start()
    made.hub.fault(WEIGHTS_AT_STORAGE, 2, cutAfter(made, 60_000))
    await resolveModel(ADDRESS, made.options)
    const ranges = made.hub.bodies('model.safetensors').map(({ headers }) => [headers.range, headers['if-range']])
    const etag = `"storage-${sha256(weights).slice(0, 8)}"`
    expect(ranges).toEqual([
      [undefined, undefined],
      ['bytes=60000-', etag],
      ['bytes=120000-', etag],
    ])
    expect(weights.equals(readFileSync(blobOf(made)))).toBe(true)
    expect(made.kinds()).toEqual(['retry', 'resume', 'retry', 'resume'])
    expect(leftovers(made)).toEqual([])
  })

  test('429 with Retry-After and two 500 are waited out', async () => {
    const { hub, options, waits } = await start()
    hub.fault(/resolve\/.*\/model.safetensors$/, 1, (_, response) =>
      response.writeHead(429, { 'retry-after': '9' }).end(),
    )
    hub.fault(/resolve\/.*\/model.safetensors$/, 2, (_, response) => response.writeHead(500).end())
    hub.fault(/\/tree\//, 1, (_, response) => response.writeHead(502).end())
    hub.fault(/\/revision\//, 1, request => request.socket.resetAndDestroy())
    await resolveModel(ADDRESS, options)
    expect(waits).toEqual([250, 250, 9000, 500, 1000])
  })

  test('a body that ends early, cleanly or not, and a stall are gone on with', async () => {
    const made = await start()
    const shortAndChunked = (_: unknown, response: Parameters<typeof serveBytes>[1]) => {
      response.writeHead(200, { etag: `"storage-${sha256(weights).slice(0, 8)}"` })
      response.end(weights.subarray(0, 50_000))
    }
    made.hub.fault(WEIGHTS_AT_STORAGE, 1, shortAndChunked)
    made.hub.fault(
      WEIGHTS_AT_STORAGE,
      1,
      cutAfter(made, 10_000, () => {}),
    )
    await resolveModel(ADDRESS, { ...made.options, stallMs: 1000 })
    expect(made.hub.bodies('model.safetensors').map(({ headers }) => headers.range)).toEqual([
      undefined,
      'bytes=50000-',
      'bytes=60000-',
    ])
    const reasons = made.events.flatMap(event => (event.kind === 'retry' ? [event.reason] : []))
    expect(reasons).toEqual(['short body: 50000 of 200000 bytes came', 'no byte came for 1000 ms'])
    expect(weights.equals(readFileSync(blobOf(made)))).toBe(true)
  })

  test.each([
    [
      'a server that ignores Range',
      (response: Parameters<typeof serveBytes>[1]) =>
        response.writeHead(200, { etag: '"other"', 'content-length': String(WEIGHT_BYTES) }).end(weights),
    ],
    [
      'a wrong range',
      (response: Parameters<typeof serveBytes>[1]) =>
        response.writeHead(206, { 'content-range': `bytes 0-9/${WEIGHT_BYTES}` }).end(weights.subarray(0, 10)),
    ],
    [
      'a range of another etag',
      (response: Parameters<typeof serveBytes>[1]) =>
        response
          .writeHead(206, { etag: '"other"', 'content-range': `bytes 60000-${WEIGHT_BYTES - 1}/${WEIGHT_BYTES}` })
          .end(weights.subarray(60_000)),
    ],
    [
      'a range of another length',
      (response: Parameters<typeof serveBytes>[1]) =>
        response.writeHead(206, { 'content-range': 'bytes 60000-60009/60010' }).end(weights.subarray(0, 10)),
    ],
    [
      'nothing after the bytes that are there',
      (response: Parameters<typeof serveBytes>[1]) => response.writeHead(416).end(),
    ],
    [
      'more bytes than the file has',
      (response: Parameters<typeof serveBytes>[1]) =>
        response.writeHead(200, { etag: '"x"' }).end(new Uint8Array(WEIGHT_BYTES + 1)),
    ],
  ])('%s makes it begin again, never splice', async (_, answer) => {
    const made = await start()
    made.hub.fault(WEIGHTS_AT_STORAGE, 1, cutAfter(made, 60_000))
    made.hub.fault(WEIGHTS_AT_STORAGE, 1, (_request, response) => void answer(response))
    await resolveModel(ADDRESS, made.options)
    expect(made.kinds()).toContain('restart')
    expect(weights.equals(readFileSync(blobOf(made)))).toBe(true)
    const requests = made.hub.bodies('model.safetensors')
    expect(requests.length).toBeLessThanOrEqual(3)
    if (requests.length === 3) expect(requests[2]!.headers.range).toBeUndefined()
  })

  test('wrong bytes are fetched once more; wrong twice is an error and leaves nothing', async () => {
    const wrong = new Uint8Array(weights)
    wrong[1234]! ^= 1
    const serveWrong = (request: Parameters<typeof serveBytes>[0], response: Parameters<typeof serveBytes>[1]) =>
      serveBytes(request, response, wrong, '"wrong"')
    const once = await start()
    once.hub.fault(WEIGHTS_AT_STORAGE, 1, serveWrong)
    await resolveModel(ADDRESS, once.options)
    expect(weights.equals(readFileSync(blobOf(once)))).toBe(true)
    expect(once.kinds()).toEqual(['restart', 'retry'])

    const twice = await start()
    twice.hub.fault(WEIGHTS_AT_STORAGE, 9, serveWrong)
    await expect(resolveModel(ADDRESS, twice.options)).rejects.toMatchObject({ code: 'HUB_HASH_MISMATCH' })
    expect(twice.hub.bodies('model.safetensors')).toHaveLength(2)
    expect(existsSync(blobOf(twice))).toBe(false)
  })

  test('small files are checked too, by their git id', async () => {
    const { hub, options } = await start()
    hub.fault(/resolve\/.*\/config.json$/, 9, (request, response) =>
      serveBytes(request, response, text('{"model_type":"LLAMA"}').bytes, '"x"'),
    )
    await expect(resolveModel(ADDRESS, options)).rejects.toMatchObject({ code: 'HUB_HASH_MISMATCH' })
  })

  test('it gives up on a server that stays broken, and says what is kept', async () => {
    const made = await start()
    made.hub.fault(WEIGHTS_AT_STORAGE, 1, cutAfter(made, 60_000))
    made.hub.fault(WEIGHTS_AT_STORAGE, 99, request => request.socket.resetAndDestroy())
    await expect(resolveModel(ADDRESS, made.options)).rejects.toMatchObject({
      code: 'RETRY_GAVE_UP',
      message: expect.stringMatching(/6 attempts.*60\.0 kB of 200 kB are kept: run it again/),
    })
    expect(made.hub.bodies('model.safetensors')).toHaveLength(6)
  })

  test('an impossible listing is refused before anything is written', async () => {
    for (const path of ['../../evil', '/etc/passwd', 'a\\..\\b']) {
      const { hub, options, cacheDir } = await start()
      hub.fault(/\/tree\//, 1, (_, response) =>
        response
          .writeHead(200, { 'content-type': 'application/json' })
          .end(JSON.stringify([{ type: 'file', path, size: 1, oid: 'a'.repeat(40) }])),
      )
      await expect(resolveModel(ADDRESS, options)).rejects.toMatchObject({ code: 'HUB_LISTING' })
      expect(existsSync(join(cacheDir, 'models--lab--tiny', 'snapshots'))).toBe(false)
    }
  })
})

describe('stopping and sharing', () => {
  test('an abort leaves a part to go on from and no lock', async () => {
    const made = await start()
    const control = new AbortController()
    made.hub.fault(
      WEIGHTS_AT_STORAGE,
      1,
      cutAfter(made, 70_000, () => control.abort(new Error('interrupted'))),
    )
    await expect(resolveModel(ADDRESS, { ...made.options, signal: control.signal })).rejects.toThrow('interrupted')
    const names = leftovers(made).map(name => name.replace(/.*\//, '').replace(sha256(weights), 'BLOB'))
    expect(names.sort()).toEqual(['BLOB.incomplete', 'BLOB.incomplete.etag'])
    expect(existsSync(join(made.cacheDir, 'models--lab--tiny/snapshots', COMMIT, 'model.safetensors'))).toBe(false)

    made.hub.requests.length = 0
    await resolveModel(ADDRESS, made.options)
    expect(made.hub.bodies('model.safetensors').map(({ headers }) => headers.range)).toEqual(['bytes=70000-'])
    expect(weights.equals(readFileSync(blobOf(made)))).toBe(true)
    expect(leftovers(made)).toEqual([])
  })

  test('a part that was spoiled on disk is noticed', async () => {
    const made = await start()
    mkdirSync(join(blobOf(made), '..'), { recursive: true })
    writeFileSync(`${blobOf(made)}.incomplete`, new Uint8Array(1000))
    writeFileSync(`${blobOf(made)}.incomplete.etag`, `"storage-${sha256(weights).slice(0, 8)}"`)
    await resolveModel(ADDRESS, made.options)
    expect(made.kinds()).toEqual(['resume', 'restart', 'retry'])
    expect(weights.equals(readFileSync(blobOf(made)))).toBe(true)
  })

  test('a part without a known etag is not trusted', async () => {
    const made = await start()
    mkdirSync(join(blobOf(made), '..'), { recursive: true })
    writeFileSync(`${blobOf(made)}.incomplete`, new Uint8Array(1000))
    await resolveModel(ADDRESS, made.options)
    expect(made.hub.bodies('model.safetensors').map(({ headers }) => headers.range)).toEqual([undefined])
  })

  test('two calls at once download each file once', async () => {
    const { hub, options, kinds } = await start()
    hub.fault(WEIGHTS_AT_STORAGE, 1, (_request, _response, serve) => void setTimeout(serve, 150))
    const [one, two] = await Promise.all([resolveModel(ADDRESS, options), resolveModel(ADDRESS, options)])
    expect(one).toEqual(two)
    for (const { path } of one.files) expect(hub.bodies(`/${path}`), path).toHaveLength(1)
    expect(kinds()).toContain('wait')
  })

  test('one file of a data set, by a branch with a slash', async () => {
    const files = { 'data/train.jsonl': text('{"text":"a"}\n'), 'data/test.jsonl': text('') }
    const { options, cacheDir } = await start([{ type: 'dataset', name: 'lab/set', commit: COMMIT, files }])
    const path = await downloadHubFile('hf://datasets/lab/set@refs/pr/1/data/train.jsonl', options)
    expect(readFileSync(path, 'utf8')).toBe('{"text":"a"}\n')
    expect(readFileSync(join(cacheDir, 'datasets--lab--set/refs/refs/pr/1'), 'utf8')).toBe(COMMIT)
    expect(readFileSync(await downloadHubFile('hf://datasets/lab/set/data/test.jsonl', options), 'utf8')).toBe('')
    await expect(downloadHubFile('hf://datasets/lab/set/data/trian.jsonl', options)).rejects.toThrowError(
      'Did you mean "data/train.jsonl"?',
    )
  })
})

describe('without the hub', () => {
  test('offline uses what is cached, and says what is missing', async () => {
    const made = await start()
    const { hub, options } = made
    const online = await resolveModel(ADDRESS, options)
    hub.requests.length = 0
    const offline = { ...options, env: { HF_HUB_OFFLINE: '1' } }
    expect(await resolveModel(ADDRESS, offline)).toEqual(online)
    await expect(resolveModel('hf://lab/other', offline)).rejects.toMatchObject({ code: 'HUB_OFFLINE' })
    rmSync(join(online.directory, 'model.safetensors'))
    rmSync(blobOf(made))
    await expect(resolveModel(ADDRESS, offline)).rejects.toThrowError(
      /model\.safetensors.* not in the cache.*HF_HUB_OFFLINE/,
    )
    expect(hub.requests).toEqual([])
  })

  test('a hub that cannot be reached: the cache is used, and an event says so', async () => {
    const { hub, options, events } = await start()
    const online = await resolveModel(ADDRESS, options)
    await hub.close()
    expect(await resolveModel(ADDRESS, options)).toEqual(online)
    expect(events.at(-1)).toMatchObject({ kind: 'cached', reason: expect.stringContaining('ECONNREFUSED') })
    await expect(resolveModel('hf://lab/other', options)).rejects.toMatchObject({ code: 'RETRY_GAVE_UP' })
  })

  test('a snapshot without a listing (older huggingface_hub) is enough when it is complete', async () => {
    const { options, cacheDir } = await start()
    const online = await resolveModel(ADDRESS, options)
    rmSync(join(cacheDir, 'models--lab--tiny', 'trees'), { recursive: true })
    const offline = await resolveModel(ADDRESS, { ...options, offline: true })
    expect(offline.directory).toBe(online.directory)
    expect(offline.files).toEqual(online.files)
    rmSync(join(online.directory, 'model.safetensors'))
    await expect(resolveModel(ADDRESS, { ...options, offline: true })).rejects.toThrowError('neither model.safetensors')
  })
})

describe('access', () => {
  const closed = (gated: boolean) => tinyModel({ token: 'hf_right', gated })

  test('the token goes to the hub and never to the storage', async () => {
    const { hub, options } = await start([closed(true)])
    await resolveModel(ADDRESS, { ...options, token: 'hf_right' })
    const sent = (storage: boolean) =>
      hub.requests.filter(seen => seen.storage === storage).map(({ headers }) => headers.authorization)
    expect(new Set(sent(false))).toEqual(new Set(['Bearer hf_right']))
    expect(new Set(sent(true))).toEqual(new Set([undefined]))
  })

  test('it is found in HF_TOKEN and in the token file', async () => {
    const { options, cacheDir } = await start([closed(false)])
    const { token: _, ...withoutToken } = options
    mkdirSync(join(cacheDir, 'home'))
    writeFileSync(join(cacheDir, 'home', 'token'), 'hf_right\n')
    await resolveModel(ADDRESS, { ...withoutToken, env: { HF_TOKEN: ' hf_right ' } })
    rmSync(join(cacheDir, 'models--lab--tiny'), { recursive: true })
    await resolveModel(ADDRESS, { ...withoutToken, env: { HF_HOME: join(cacheDir, 'home') } })
    const none = { ...withoutToken, env: { HF_TOKEN: 'hf_right', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' } }
    await expect(resolveModel(ADDRESS, none)).rejects.toMatchObject({ code: 'HUB_UNAUTHORIZED' })
  })

  test.each([
    [
      ADDRESS,
      true,
      null,
      'HUB_GATED',
      /gated: accept its terms at http.*lab\/tiny while signed in, then make a token.*HF_TOKEN=/,
    ],
    [ADDRESS, true, 'hf_other', 'HUB_GATED', /account of the token in the option token has no access/],
    [ADDRESS, false, null, 'HUB_UNAUTHORIZED', /does not exist, or is private.*HF_TOKEN/],
    [ADDRESS, false, 'hf_other', 'HUB_UNAUTHORIZED', /token in the option token is not valid/],
    ['hf://lab/nothing', false, 'hf_right', 'HUB_REPO_NOT_FOUND', /model lab\/nothing was not found.*hf:\/\/datasets/],
    ['hf://lab/tiny@v9', false, 'hf_right', 'HUB_REVISION_NOT_FOUND', /no revision "v9"/],
  ])('%s gated=%s token=%s: %s', async (address, gated, token, code, message) => {
    const { hub, options, kinds } = await start([closed(gated)])
    const failure = await resolveModel(address, { ...options, token }).catch(error => error)
    expect(failure).toMatchObject({ code, message: expect.stringMatching(message) })
    expect(failure.message).not.toContain('hf_other')
    expect(hub.requests).toHaveLength(1)
    expect(kinds()).toEqual([])
  })

  test('403 without a gate, and refusals of a single file', async () => {
    const { hub, options } = await start()
    hub.fault(/\/revision\//, 1, (_, response) => response.writeHead(403).end('no'))
    await expect(resolveModel(ADDRESS, options)).rejects.toMatchObject({ code: 'HUB_FORBIDDEN' })
    hub.fault(/resolve\/.*config.json$/, 1, (_, response) =>
      response.writeHead(404, { 'x-error-code': 'EntryNotFound' }).end(),
    )
    await expect(resolveModel(ADDRESS, options)).rejects.toMatchObject({ code: 'HUB_FILE_NOT_FOUND' })
    hub.fault(/resolve\/.*config.json$/, 1, (_, response) => response.writeHead(451).end())
    await expect(resolveModel(ADDRESS, options)).rejects.toMatchObject({ code: 'HUB_ERROR' })
  })
})

test('snapshot entries are links, so two revisions share their blobs', async () => {
  const { options } = await start()
  const { directory } = await resolveModel(ADDRESS, options)
  expect(lstatSync(join(directory, 'config.json')).isSymbolicLink()).toBe(true)
})
