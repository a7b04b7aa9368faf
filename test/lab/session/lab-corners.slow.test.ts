/** What a session leaves behind when something goes wrong, and what it says of a model that came another way. */
import { cpSync, existsSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { Lab } from '../../../src/index.js'
import { input } from '../../../src/tensor/leaf.js'
import { add } from '../../../src/tensor/ops/elementwise.js'
import { gather } from '../../../src/tensor/ops/indexing.js'
import { compile } from '../../../src/tensor/program.js'
import { Variable } from '../../../src/tensor/variable.js'
import { TokenizerPool } from '../../../src/tokenizer/pool.js'
import { readMetrics } from '../../../src/train/metrics.js'
import { temporaryDirectory } from '../../support/temporary.js'
import { writeTinyRun } from '../../support/tiny-run.js'

const dir = temporaryDirectory('session-corners')
const short = { steps: 4, seqLen: 16, microBatch: 2, lr: 0.01, probeEverySteps: 2, checkpointEverySteps: 2 }
let lab: Lab

beforeAll(async () => {
  await writeTinyRun(dir)
})

async function session(runsDir: string): Promise<Lab> {
  lab = new Lab({ cwd: dir, threads: 1, runsDir })
  await lab.load('base')
  lab.data([{ manifest: 'one.jsonl', weight: 2 }, 'two.jsonl'])
  lab.probes({ general: 'probe.jsonl' })
  return lab
}

async function variables(): Promise<number> {
  return (await lab.engine.memory()).variables
}

afterEach(async () => {
  vi.restoreAllMocks()
  await lab.dispose()
})

describe('a resumed run', () => {
  it('has the records from before, so that figures and tables start at the base', async () => {
    await session('runs-resumed')
    await lab.expand({ groups: 2 })
    const run = lab.train({ ...short, name: 'stopped' })
    run.events.on('record', ({ kind, step }) => {
      if (kind === 'train' && step === 3) run.stop().catch(() => {})
    })
    await run
    const again = lab.resume(run.dir)
    await again
    expect(again.records).toEqual(readMetrics(join(run.dir, 'metrics.jsonl')))
    expect(lab.table('summary').object(0)).toMatchObject({ probe: 'general', firstStep: 0, lastStep: 4 })
  })
})

describe('another device', () => {
  it('keeps what the model is compared with, and its gates', async () => {
    await session('runs-device')
    await lab.expand({ groups: 2 })
    await lab.train(short)
    lab.gate(0.5, 1)
    await lab.useDevice('reference')
    expect([...lab.gates()]).toEqual([
      [1, 0.5],
      [3, 1],
    ])
    lab.gate(1)
    const proof = await lab.verify()
    expect(proof.identical).toBe(false)
    expect(proof.gatesClosed).not.toBeNull()
  })
})

describe('an engine', () => {
  it('that has no memory for a tensor of a cell goes on with the live model', async () => {
    await session('runs-huge')
    const huge = new Variable([200_000, 200_000], 'f32', { kind: 'zeros' }, { engine: lab.engine })
    await expect(huge.read()).rejects.toMatchObject({
      code: 'OUT_OF_MEMORY',
      message: expect.stringMatching(/40000000000 elements of f32 \(160 GB\)/),
    })
    expect(lab.isLoaded).toBe(true)
    expect(await lab.generate('the river', { maxNewTokens: 2 })).not.toBe('')
  })

  it('that has ended is told with the model that it had, and the next model starts another one', async () => {
    await session('runs-ended')
    const before = await lab.generate('the river', { maxNewTokens: 2 })
    const engine = lab.engine
    const table = new Variable([4, 1], 'f32', { kind: 'zeros' }, { engine })
    const state = new Variable([1000], 'f32', { kind: 'zeros' }, { engine })
    const rows = gather(table.value, input('ids', [1], 'i32'))
    const program = compile({ outputs: { rows }, updates: [[state, add(state.value, 1)]] })
    await expect(program.run({ ids: Int32Array.of(9) })).rejects.toMatchObject({ code: 'ENGINE' })
    expect(lab.isLoaded).toBe(false)
    await expect(lab.generate('the river')).rejects.toMatchObject({
      code: 'SESSION_LOST',
      message: expect.stringMatching(/half done.*lab\.load/),
    })
    await lab.load('base')
    expect(lab.engine).not.toBe(engine)
    expect(await lab.generate('the river', { maxNewTokens: 2 })).toBe(before)
  })
})

describe('a run that cannot begin', () => {
  it('frees the tokenizer threads when nothing of a new block could learn', async () => {
    const opened = vi.spyOn(TokenizerPool, 'open')
    const disposed = vi.spyOn(TokenizerPool.prototype, 'dispose')
    await session('runs-dead')
    await lab.expand({ groups: 2 })
    lab.freeze('**.o_proj.weight', '**.down_proj.weight')
    await expect(lab.train(short)).rejects.toMatchObject({ code: 'FREEZE_DEAD' })
    expect(disposed).toHaveBeenCalledTimes(opened.mock.calls.length)
  })

  it('frees its optimizer state and copies, whatever it fails at', async () => {
    await session('runs-twice')
    await lab.expand({ groups: 2 })
    lab.unfreeze('all')
    const before = await variables()
    lab.data(['one.jsonl', 'one.jsonl'])
    await expect(lab.train(short)).rejects.toMatchObject({ code: 'LOADER_OPTIONS' })
    expect(await variables()).toBe(before)
  })

  it('says that nothing is selected when everything is frozen', async () => {
    await session('runs-frozen')
    lab.freeze('all')
    expect(() => lab.train(short)).toThrow(expect.objectContaining({ code: 'FREEZE_NOTHING' }))
  })
})

describe('stopping', () => {
  it('ends at once while its data are still looked for', async () => {
    await session('runs-opening')
    let asked = () => {}
    const isAsked = new Promise<void>(resolve => {
      asked = resolve
    })
    const silent = createServer(() => asked())
    await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
    vi.stubEnv('HF_ENDPOINT', `http://127.0.0.1:${(silent.address() as AddressInfo).port}`)
    vi.stubEnv('HF_HUB_OFFLINE', '')
    try {
      lab.data('hf://datasets/lab/set/*.jsonl')
      const run = lab.train({ ...short, name: 'opening' })
      await isAsked
      const started = performance.now()
      expect(await run.stop()).toMatchObject({ status: 'interrupted', step: 0, modelDir: null })
      expect(performance.now() - started).toBeLessThan(5000)
      expect(run.status).toBe('interrupted')
    } finally {
      vi.unstubAllEnvs()
      silent.closeAllConnections()
      silent.close()
    }
  })

  it('is not held up by a pause that comes after it', async () => {
    await session('runs-stop')
    lab.probes({})
    const run = lab.train(short)
    const stopped = run.stop()
    run.pause()
    expect(await stopped).toMatchObject({ status: 'interrupted', step: 0 })
    expect(run.status).toBe('interrupted')
  })
})

describe('a model directory', () => {
  it('without a tokenizer leaves nothing on the device', async () => {
    await session('runs-load')
    const before = await variables()
    cpSync(join(dir, 'base'), join(dir, 'no-tokenizer'), { recursive: true })
    rmSync(join(dir, 'no-tokenizer', 'tokenizer.json'))
    await expect(lab.load('no-tokenizer')).rejects.toThrow(/tokenizer/)
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(await variables()).toBe(before)
  })

  it('that the live model came from is not overwritten by it', async () => {
    await session('runs-save')
    const weights = readFileSync(join(dir, 'base', 'model.safetensors'))
    await lab.expand({ groups: 2 })
    await expect(lab.save('base')).rejects.toMatchObject({ code: 'SESSION_SAVE' })
    await expect(lab.save('base/inside')).rejects.toMatchObject({ code: 'SESSION_SAVE' })
    expect(readFileSync(join(dir, 'base', 'model.safetensors')).equals(weights)).toBe(true)
    await lab.save('saved')
    await lab.save('saved')
    expect(existsSync(join(dir, 'saved', 'config.json'))).toBe(true)
  })
})
