/** What a probe measures, against the same numbers worked out in float64 from logits. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Probe, ProbeRow } from '../../src/data/probe.js'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { expandModel } from '../../src/expansion/expand-model.js'
import { planExpansion } from '../../src/expansion/plan.js'
import { newLayers, readProvenance } from '../../src/expansion/provenance.js'
import { bitsPerByte, Evaluator, meanNats } from '../../src/forgetting/evaluator.js'
import { ForgettingMonitor } from '../../src/forgetting/monitor.js'
import { modelReference, withoutNewBlocks } from '../../src/forgetting/reference.js'
import { type ForwardOptions, forward, logitsOf } from '../../src/model/forward.js'
import type { Model } from '../../src/model/model.js'
import { layerOf } from '../../src/model/parameters.js'
import type { HostArray } from '../../src/tensor/dtype.js'
import { fromHost, scalar } from '../../src/tensor/leaf.js'
import { realize } from '../../src/tensor/program.js'
import { TrainStep } from '../../src/train/step.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import { tinyBatch, tinyModel } from '../support/tiny-model.js'

const T = 9
const V = 16
const engine = new OnnxEngine({ threads: 1 })
afterAll(() => engine.dispose())

/** Rows of five documents, some tokens unscored; more rows than one run of the evaluator takes. */
function probeOf(count: number): Probe {
  const random = new Prng(keyOf('probe'))
  const rows: ProbeRow[] = Array.from({ length: count }, (_, r) => ({
    inputIds: Int32Array.from({ length: T }, () => random.below(V)),
    targets: Int32Array.from({ length: T }, (_, t) => (t >= T - (r % 3) ? -1 : random.below(V))),
    documentIndex: Math.floor((r * 5) / count),
  }))
  const tokensScored = rows.reduce((n, row) => n + row.targets.filter(t => t >= 0).length, 0)
  return { name: 'general', rows, bytesScored: 777, tokensScored, documents: 5, documentHashes: new Set() }
}

async function logitsFor(model: Model, row: ProbeRow, options: ForwardOptions = {}): Promise<HostArray> {
  const { hidden } = forward(model.config, model.weights, fromHost(row.inputIds, [1, T], 'i32'), options)
  return (await realize([logitsOf(model.config, model.weights, hidden)], { engine: model.engine }))[0]!
}

/** log softmax of one row of logits in float64. */
function logProbabilities(logits: HostArray, t: number): Float64Array {
  const row = Float64Array.from(logits.subarray(t * V, (t + 1) * V))
  const top = Math.max(...row)
  const lse = top + Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0))
  return row.map(x => x - lse)
}

interface ByHand {
  nats: number[]
  kl: number
  ranks: number[]
}

async function byHand(model: Model, base: Model, probe: Probe): Promise<ByHand> {
  const result: ByHand = { nats: [], kl: 0, ranks: [] }
  for (const row of probe.rows) {
    const [ours, theirs] = [await logitsFor(model, row), await logitsFor(base, row)]
    row.targets.forEach((target, t) => {
      if (target < 0) return
      const p = logProbabilities(ours, t)
      const q = logProbabilities(theirs, t)
      result.nats.push(-p[target]!)
      result.kl += q.reduce((sum, lq, i) => sum + Math.exp(lq) * (lq - p[i]!), 0)
      const chosen = p.indexOf(Math.max(...p))
      result.ranks.push(1 + q.filter(lq => lq > q[chosen]!).length)
    })
  }
  return { ...result, kl: result.kl / result.nats.length }
}

/** An expanded model whose new blocks have been trained for a few steps, and its base. */
async function trainedPair(): Promise<{ base: Model; model: Model }> {
  const base = tinyModel(engine)
  const model = await expandModel(base, planExpansion(base.config, { groups: 2 }))
  await train(model)
  return { base, model }
}

async function train(model: Model): Promise<void> {
  const added = newLayers(readProvenance(model.config))
  const trainable = [...model.parameters.keys()].filter(path => added.has(layerOf(path) ?? -1))
  const optimizer = { betas: [0.9, 0.95] as const, eps: 1e-8, weightDecay: 0.1, clipNorm: 1 }
  const step = new TrainStep(model, trainable, {
    microBatch: 4,
    seqLen: T,
    gradAccumSteps: 1,
    rematBlocks: false,
    optimizer,
  })
  for (let n = 1; n <= 6; n++) await step.run([tinyBatch(4, T, V, n)], 0.02, n)
  step.dispose()
}

describe('gates', () => {
  it('0 on the new blocks restores the base bit for bit after training, as leaving them out does; 1 is no gate, bit for bit', async () => {
    const { base, model } = await trainedPair()
    const layers = [...newLayers(readProvenance(model.config))]
    const { without } = withoutNewBlocks(model).options
    expect([...without!].sort()).toEqual(layers)
    const all = (gate: number) => new Map(layers.map(layer => [layer, scalar(gate)]))
    for (const row of probeOf(3).rows) {
      const free = await logitsFor(model, row)
      for (const options of [{ gates: all(0) }, { without: without! }])
        expect(await logitsFor(model, row, options)).toEqual(await logitsFor(base, row))
      expect(await logitsFor(model, row, { gates: all(1) })).toEqual(free)
      expect(free).not.toEqual(await logitsFor(base, row))
    }
  })

  it('leaves no block out where there are caches, whose keys and values it would have to write', () => {
    const ids = fromHost(Int32Array.of(1), [1, 1], 'i32')
    const { config, weights } = tinyModel(engine)
    const caches = { layers: [], start: fromHost(Int32Array.of(0), [], 'i32') }
    expect(() => forward(config, weights, ids, { without: new Set([1]), caches })).toThrow('caches')
  })

  it('0 on one new block leaves the other one at work', async () => {
    const { base, model } = await trainedPair()
    const [first] = newLayers(readProvenance(model.config))
    const row = probeOf(1).rows[0]!
    const half = await logitsFor(model, row, { gates: new Map([[first!, scalar(0)]]) })
    expect(half).not.toEqual(await logitsFor(base, row))
    expect(half).not.toEqual(await logitsFor(model, row))
  })
})

describe('the evaluator', () => {
  let base: Model
  let model: Model
  // two runs of 16 rows at most and a last one that is not full
  const probe = probeOf(37)
  beforeAll(async () => {
    ;({ base, model } = await trainedPair())
  })

  it('at step 0 finds nothing changed: no divergence, every token unshifted, blocks that contribute nothing', async () => {
    const fresh = await expandModel(base, planExpansion(base.config, { groups: 2 }))
    const evaluator = new Evaluator(fresh, { seqLen: T, base: withoutNewBlocks(fresh) })
    const { klToBaseNats, shift, contributions } = await evaluator.score(probe)
    expect(klToBaseNats).toBe(0)
    expect(shift).toEqual({ unshifted: 1, marginal: 0, shifted: 0 })
    expect([...contributions]).toEqual([
      [2, 0],
      [5, 0],
    ])
  })

  it.each([
    ['the base inside the model', () => withoutNewBlocks(model)],
    ['the base beside it', () => modelReference(base)],
  ])('nats, divergence and ranks against %s equal float64 arithmetic on the logits', async (_name, reference) => {
    const scores = await new Evaluator(model, { seqLen: T, base: reference() }).score(probe)
    const hand = await byHand(model, base, probe)
    expect(scores.nats).toHaveLength(probe.tokensScored)
    const worst = Math.max(...hand.nats.map((nats, i) => Math.abs(nats - scores.nats[i]!)))
    expect(worst).toBeLessThan(1e-5)
    expect(hand.kl).toBeGreaterThan(0.01)
    expect(scores.klToBaseNats! / hand.kl).toBeCloseTo(1, 4)
    const share = (test: (rank: number) => boolean) => hand.ranks.filter(test).length / hand.ranks.length
    expect(scores.shift).toEqual({
      unshifted: share(rank => rank === 1),
      marginal: share(rank => rank === 2 || rank === 3),
      shifted: share(rank => rank > 3),
    })
    // all three classes occur, or the comparison would say little
    expect(Math.min(...Object.values(scores.shift!))).toBeGreaterThan(0)
  })

  it("a block's contribution is the norm of what it adds over the norm of what it reads", async () => {
    const { contributions } = await new Evaluator(model, { seqLen: T }).score(probe)
    const sums = new Map([...contributions.keys()].map(layer => [layer, 0]))
    for (const row of probe.rows) {
      const { stream } = forward(model.config, model.weights, fromHost(row.inputIds, [1, T], 'i32'))
      const states = await realize(stream, { engine })
      const C = model.config.hiddenSize
      for (const layer of sums.keys())
        row.targets.forEach((target, t) => {
          if (target < 0) return
          const before = Array.from(states[layer]!.subarray(t * C, (t + 1) * C))
          const after = states[layer + 1]!.subarray(t * C, (t + 1) * C)
          const ratio = Math.hypot(...before.map((x, c) => after[c]! - x)) / Math.hypot(...before)
          sums.set(layer, sums.get(layer)! + ratio)
        })
    }
    expect([...sums.keys()]).toEqual([2, 5])
    for (const [layer, sum] of sums) expect(contributions.get(layer)! / (sum / probe.tokensScored)).toBeCloseTo(1, 5)
  })

  it('keeps scored tokens in order with their documents, and counts no padding row', async () => {
    const scores = await new Evaluator(model, { seqLen: T }).score(probe)
    const documents = probe.rows.flatMap(row => [...row.targets].filter(t => t >= 0).map(() => row.documentIndex))
    expect([...scores.documents]).toEqual(documents)
    expect(scores.klToBaseNats).toBeNull()
    expect(scores.shift).toBeNull()
    const alone = await Promise.all(
      probe.rows.map(row => new Evaluator(model, { seqLen: T }).score({ ...probe, rows: [row] })),
    )
    expect([...scores.nats]).toEqual(alone.flatMap(part => [...part.nats]))
  })

  it('gives the same on the float64 engine', async () => {
    const reference = new ReferenceEngine()
    const exact = tinyModel(reference)
    const few = { ...probe, rows: probe.rows.slice(0, 3) }
    const theirs = await new Evaluator(exact, { seqLen: T }).score(few)
    const ours = await new Evaluator(base, { seqLen: T }).score(few)
    expect(meanNats(ours)).toBeCloseTo(meanNats(theirs), 5)
    await reference.dispose()
  })

  it('bits per byte by hand: 3 nats over 5 bytes', () => {
    const nats = Float64Array.of(0.5, 1, 1.5)
    expect(meanNats({ nats })).toBe(1)
    expect(bitsPerByte({ nats }, 5)).toBeCloseTo(3 / Math.LN2 / 5, 12)
    // a uniform model over 256 byte tokens spends 8 bits on each
    expect(bitsPerByte({ nats: new Float64Array(40).fill(Math.log(256)) }, 40)).toBeCloseTo(8, 12)
  })

  it('stops between rows when told to', async () => {
    const controller = new AbortController()
    const seen: number[] = []
    const onRows = (done: number) => {
      seen.push(done)
      controller.abort()
    }
    const scoring = new Evaluator(model, { seqLen: T }).score(probe, { signal: controller.signal, onRows })
    await expect(scoring).rejects.toMatchObject({ name: 'AbortError' })
    expect(seen).toEqual([16])
  })
})

describe('the forgetting monitor', () => {
  it('measures against the state at its baseline, in records of one probe and its blocks', async () => {
    const base = tinyModel(engine)
    const model = await expandModel(base, planExpansion(base.config, { groups: 2 }))
    const probe = probeOf(7)
    const monitor = new ForgettingMonitor(new Evaluator(model, { seqLen: T, base: withoutNewBlocks(model) }), [probe])
    await monitor.setBaseline()
    const before = await byHand(model, base, probe)
    await train(model)
    const after = await byHand(model, base, probe)
    const position = { step: 6, tokens: 216, seconds: 3 }
    const [record, ...contributions] = await monitor.measure(position)
    const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length
    expect(record).toMatchObject({ kind: 'probe', probe: 'general', ...position, tokensScored: probe.tokensScored })
    if (record?.kind !== 'probe') throw new Error('expected a probe record')
    expect(record.lossNats).toBeCloseTo(mean(after.nats), 5)
    expect(record.deltaNats).toBeCloseTo(mean(after.nats) - mean(before.nats), 5)
    expect(record.deltaLow).toBeLessThan(record.deltaNats)
    expect(record.deltaHigh).toBeGreaterThan(record.deltaNats)
    expect(record.bitsPerByte).toBeCloseTo((mean(after.nats) * after.nats.length) / Math.LN2 / 777, 5)
    expect(record.klToBaseNats! / after.kl).toBeCloseTo(1, 4)
    expect(contributions).toMatchObject([
      { kind: 'contribution', layer: 2, ...position },
      { kind: 'contribution', layer: 5, ...position },
    ])
  })
})
