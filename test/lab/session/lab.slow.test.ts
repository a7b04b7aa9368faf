import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Lab } from '../../../src/index.js'
import { runRecipe } from '../../../src/lab/run-recipe.js'
import { readMetrics } from '../../../src/train/metrics.js'
import { parseRecipe } from '../../../src/train/recipe.js'
import { readRun } from '../../../src/train/run-directory.js'
import { temporaryDirectory } from '../../support/temporary.js'
import { comparable, writeTinyRun } from '../../support/tiny-run.js'

const dir = temporaryDirectory('session')
const data = [{ manifest: 'one.jsonl', weight: 2 }, 'two.jsonl']
const probes = { general: 'probe.jsonl' }
const short = { steps: 4, seqLen: 16, microBatch: 2, lr: 0.01, probeEverySteps: 2, checkpointEverySteps: 2 }
let lab: Lab

beforeAll(async () => {
  await writeTinyRun(dir)
})

/** A session over the tiny base, with its data and probe. */
async function session(options: { runsDir?: string } = {}): Promise<Lab> {
  lab = new Lab({ cwd: dir, threads: 1, ...options })
  await lab.load('base')
  lab.data(data)
  lab.probes(probes)
  return lab
}

afterEach(async () => {
  await lab.dispose()
})

describe('a session', () => {
  it('says what to do before a model is loaded, and what is unknown', async () => {
    lab = new Lab({ cwd: dir, threads: 1 })
    expect(() => lab.model).toThrow(/load a model first: await lab\.load\('demo'\)/)
    expect(() => lab.data('demo/cod')).toThrow(/Did you mean "demo\/code"\?/)
    expect(() => lab.plot()).toThrow(/there is no run yet/)
    await expect(lab.load('nowhere')).rejects.toThrow(/nowhere/)
    expect(lab.isLoaded).toBe(false)
  })

  it('plans, expands and proves the identity; gates are refused where there is nothing to gate', async () => {
    await session()
    expect(() => lab.gate(0)).toThrow(/no new blocks/)
    const plan = lab.plan({ groups: 2 })
    expect(inspect(plan)).toContain('2')
    expect(lab.model.config.numHiddenLayers).toBe(2)
    const map = await lab.expand()
    expect(map.rows.map(row => row.isNew)).toEqual([false, true, false, true])
    expect(inspect(map)).toMatch(/layer +source/)
    const proof = await lab.verify('the river carries stones')
    expect(proof).toMatchObject({ identical: true, maxAbsDiff: 0, newLayers: [1, 3] })
    expect(inspect(proof)).toMatch(/identical, bit for bit/)
    expect(() => lab.gate(0.5, 0)).toThrow(/block 0 is not a new one; those with gates are 1, 3/)
    expect(() => lab.gate(2)).toThrow(/from 0 to 1/)
  })

  it('freezes and unfreezes by rules, each on top of what is there', async () => {
    await session()
    await lab.expand({ groups: 2 })
    const added = lab.trainable().trainableParameters
    lab.freeze('block 1')
    expect(lab.trainable().trainableParameters).toBe(added / 2)
    lab.unfreeze('embeddings')
    expect(lab.trainable().rows.map(row => row.path)).toContain('model.embed_tokens.weight')
    lab.unfreeze('added')
    lab.freeze('embeddings')
    expect(lab.trainable().trainableParameters).toBe(added)
    expect(() => lab.freeze('blok 1')).toThrow(/matches no parameter/)
  })
})

describe('training in a session', () => {
  it('gives the records and the model of the same recipe run by itself', async () => {
    await session({ runsDir: 'runs-a' })
    await lab.expand({ groups: 2 })
    const run = lab.train(short)
    expect(run.status).toBe('starting')
    expect(() => lab.train(short)).toThrow(/while expansion goes on/)
    await expect(lab.expand({ groups: 2 })).rejects.toThrow(/SESSION_BUSY|goes on/)
    const result = await run
    expect(result).toMatchObject({ status: 'done', step: 4 })
    expect(run.status).toBe('done')
    const out = join(dir, 'alone')
    const recipe = parseRecipe(readRun(run.dir)['recipe'])
    await runRecipe({ recipe, out, threads: 1 })
    expect(comparable(run.records)).toEqual(comparable(readMetrics(join(out, 'metrics.jsonl'))))
    const weights = (folder: string) => readFileSync(join(folder, 'model', 'model.safetensors'))
    expect(weights(run.dir).equals(weights(out))).toBe(true)
  })

  it('restores the base bit for bit with all gates at 0, and measures what the gates are set to', async () => {
    await session({ runsDir: 'runs-b' })
    const [before] = await lab.probe()
    await lab.expand({ groups: 2 })
    await lab.train(short)
    const [trained] = await lab.probe()
    expect(trained!.lossNats).not.toBe(before!.lossNats)
    const proof = await lab.verify()
    expect(proof.identical).toBe(false)
    expect(proof.gatesClosed).toMatchObject({ identical: true, maxAbsDiff: 0 })
    lab.gate(0)
    expect([...lab.gates().values()]).toEqual([0, 0])
    expect((await lab.verify()).identical).toBe(true)
    expect((await lab.probe())[0]!.lossNats).toBe(before!.lossNats)
    lab.gate(1)
    expect((await lab.probe())[0]!.lossNats).toBe(trained!.lossNats)
  })

  it('pauses before the next step, stops with a checkpoint, and resumes exactly', async () => {
    await session({ runsDir: 'runs-c' })
    await lab.expand({ groups: 2 })
    const unbroken = lab.train({ ...short, name: 'unbroken' })
    await unbroken
    await lab.load('base')
    await lab.expand({ groups: 2 })
    const run = lab.train({ ...short, name: 'broken' })
    await new Promise<void>(resolve => {
      run.events.on('record', record => {
        if (record.kind !== 'train' || record.step !== 1) return
        run.pause()
        resolve()
      })
    })
    await new Promise(resolve => setTimeout(resolve, 100))
    expect(run.status).toBe('paused')
    expect(run.step).toBe(1)
    expect(await run.stop()).toMatchObject({ status: 'interrupted', step: 1 })
    expect(existsSync(join(run.dir, 'checkpoints', 'step-1'))).toBe(true)
    const resumed = lab.resume(run.dir)
    expect(await resumed).toMatchObject({ status: 'done', step: 4 })
    const records = (of: string) => comparable(readMetrics(join(of, 'metrics.jsonl')))
    expect(records(run.dir)).toEqual(records(unbroken.dir))
  })

  it('trains on from where a run ended, with a recipe that says so', async () => {
    await session({ runsDir: 'runs-d' })
    await lab.expand({ groups: 2 })
    const first = await lab.train(short)
    const second = lab.train(short)
    await second
    expect(second.recipe).toMatchObject({ method: 'full', train: ['added'], model: first.modelDir })
    const again = join(dir, 'again')
    await runRecipe({ recipe: second.recipe, out: again, threads: 1 })
    expect(comparable(readMetrics(join(again, 'metrics.jsonl')))).toEqual(comparable(second.records))
  })

  it('saves weights that were changed by hand with the run that trains them', async () => {
    await session({ runsDir: 'runs-e' })
    const norm = lab.model.parameter('model.norm.weight')
    norm.write(Float32Array.from({ length: 16 }, () => 2))
    lab.markChanged()
    const run = lab.train({ ...short, steps: 1 })
    await run
    expect(run.recipe.model).toBe(join(run.dir, 'start'))
    await lab.load(join(run.dir, 'start'))
    expect((await lab.model.parameter('model.norm.weight').read())[0]).toBe(2)
  })

  it('tells why a run failed, and the session goes on', async () => {
    await session({ runsDir: 'runs-f' })
    lab.data('probe.jsonl')
    const run = lab.train(short)
    await expect(run).rejects.toThrow()
    expect(run.status).toBe('failed')
    expect(run.statusLine()).toContain('failed')
    lab.data(data)
    expect(await lab.train({ ...short, steps: 1 })).toMatchObject({ status: 'done' })
  })

  it('generates, gives logits and lists its runs', async () => {
    await session({ runsDir: 'runs-g' })
    const pieces: string[] = []
    const text = await lab.generate('the river', { maxNewTokens: 5, onText: piece => pieces.push(piece) })
    expect(pieces.join('')).toBe(text)
    const logits = lab.logits('the river')
    expect(logits.shape).toEqual([lab.tokens('the river').length, 4096])
    expect((await logits.data()).every(Number.isFinite)).toBe(true)
    await lab.train({ ...short, steps: 1, name: 'one' })
    expect(lab.train({ ...short, steps: 1, name: 'one' }).name).toBe('one-2')
    await lab.run
    expect(lab.runs().slice(0, 1)).toMatchObject([{ name: 'one', status: 'done', step: 1, steps: 1, method: 'full' }])
    expect(lab.plot('loss').panels.length).toBeGreaterThan(0)
    expect(lab.table('train').numRows()).toBe(1)
  })
})
