/** Whoever compiles a program lets it go. */
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Probe } from '../../src/data/probe.js'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { expandModel } from '../../src/expansion/expand-model.js'
import { planExpansion } from '../../src/expansion/plan.js'
import { verifyIdentity } from '../../src/expansion/verify-identity.js'
import { Evaluator } from '../../src/forgetting/evaluator.js'
import { generate } from '../../src/model/generate.js'
import { Program } from '../../src/tensor/program.js'
import { TrainStep } from '../../src/train/step.js'
import { tinyBatch, tinyModel } from '../support/tiny-model.js'

const engine = new OnnxEngine({ threads: 1 })
afterAll(() => engine.dispose())

const held = new Set<Program>()
let runs = 0
beforeEach(() => {
  runs = 0
  held.clear()
  const { run, dispose } = Program.prototype
  vi.spyOn(Program.prototype, 'run').mockImplementation(function (this: Program, ...given) {
    runs++
    held.add(this)
    return run.apply(this, given)
  })
  vi.spyOn(Program.prototype, 'dispose').mockImplementation(function (this: Program) {
    held.delete(this)
    dispose.call(this)
  })
})
afterEach(() => vi.restoreAllMocks())

test.each([1, 2])('a training step of %i micro-batches', async gradAccumSteps => {
  const model = tinyModel(engine)
  const optimizer = { betas: [0.9, 0.95], eps: 1e-8, weightDecay: 0, clipNorm: 1 } as const
  const options = { microBatch: 1, seqLen: 4, gradAccumSteps, optimizer, rematBlocks: false }
  const step = new TrainStep(model, ['model.norm.weight'], options)
  await step.run(Array(gradAccumSteps).fill(tinyBatch(1, 4)), 0.01, 1)
  expect(held.size).toBe(gradAccumSteps)
  step.dispose()
  expect(held.size).toBe(0)
})

test('an evaluator', async () => {
  const row = { inputIds: Int32Array.of(1, 2), targets: Int32Array.of(2, 3), documentIndex: 0 }
  const probe: Probe = {
    name: 'p',
    rows: [row],
    bytesScored: 2,
    tokensScored: 2,
    documents: 1,
    documentHashes: new Set(),
  }
  const evaluator = new Evaluator(tinyModel(engine), { seqLen: 2 })
  await evaluator.score(probe)
  expect(held.size).toBe(1)
  evaluator.dispose()
  expect(held.size).toBe(0)
})

test('generation, an expansion and its proof', async () => {
  const base = tinyModel(engine)
  const expanded = await expandModel(base, planExpansion(base.config, { groups: 2 }))
  await verifyIdentity(base, expanded, [Int32Array.of(1, 2, 3)])
  for await (const _ of generate(expanded, [1, 2], { maxNewTokens: 2, stopIds: [] }));
  expect(runs).toBeGreaterThanOrEqual(5)
  expect(held.size).toBe(0)
})
