/** What is known of a program before it runs, its order and its memory, against what onnxruntime does. */
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, describe, expect, it } from 'vitest'
import { ArenaModel, MAX_DEAD_BYTES } from '../../src/engines/onnx/arena.js'
import { emitModel } from '../../src/engines/onnx/emit.js'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { runOrder } from '../../src/engines/onnx/graph.js'
import { layerOf } from '../../src/model/parameters.js'
import type { Tensor } from '../../src/tensor/graph.js'
import { input } from '../../src/tensor/leaf.js'
import { exp, mul, sigmoid } from '../../src/tensor/ops/elementwise.js'
import { gather } from '../../src/tensor/ops/indexing.js'
import { reshape } from '../../src/tensor/ops/movement.js'
import { sum } from '../../src/tensor/ops/reduce.js'
import { compile, type Program } from '../../src/tensor/program.js'
import { TrainStep } from '../../src/train/step.js'
import { kernelsOf } from '../support/ort-profile.js'
import { temporaryDirectory } from '../support/temporary.js'
import { tinyBatch, tinyModel } from '../support/tiny-model.js'

const dir = temporaryDirectory('profile')
const engine = new OnnxEngine({ threads: 1 })
afterAll(() => engine.dispose())

interface StepSize {
  rematBlocks?: boolean
  layers?: number
  rows?: number
  vocab?: number
  trained?: (path: string) => boolean
}

function stepOf(on: OnnxEngine, size: StepSize = {}): TrainStep {
  const { rematBlocks = false, layers = 4, rows = 2, vocab = 16, trained = () => true } = size
  const model = tinyModel(on, { changes: { num_hidden_layers: layers, vocab_size: vocab, tie_word_embeddings: true } })
  const trainable = [...model.parameters.keys()].filter(trained)
  const optimizer = { betas: [0.9, 0.95] as const, eps: 1e-8, weightDecay: 0.1, clipNorm: 1 }
  return new TrainStep(model, trainable, { microBatch: rows, seqLen: 8, gradAccumSteps: 1, rematBlocks, optimizer })
}

function intermediateBytes({ programs }: { programs: readonly Program[] }): number {
  return engine.workingBytes(programs.map(program => program.lowered.spec)).intermediate
}

describe('the order in which onnxruntime runs nodes', () => {
  it.each([false, true])('is known before, for every node of a training step (remat: %s)', async rematBlocks => {
    const prefix = join(dir, `remat-${rematBlocks}`)
    const profiled = new OnnxEngine({ threads: 1, profilePrefix: prefix })
    const step = stepOf(profiled, { rematBlocks })
    await step.run([tinyBatch(2, 8)], 0.01, 1)
    await profiled.dispose()
    const executed = kernelsOf(dir, `remat-${rematBlocks}`).map(({ node }) => node)
    const { graph } = emitModel(step.programs[0]!.lowered.spec)
    expect(executed.length).toBeGreaterThan(500)
    expect(executed).toEqual(runOrder(graph))
  })
})

it('ids are guarded once for each number of rows that they choose from', () => {
  const ids = input('ids', [3], 'i32')
  const picked = [4, 4, 5].map((rows, i) => gather(input(`table${i}`, [rows, 2]), ids))
  const outputs = Object.fromEntries(picked.map((rows, i) => [`y${i}`, rows]))
  const { graph } = emitModel(compile({ outputs, engine }).lowered.spec)
  expect(graph.nodes.filter(({ op }) => op === 'Gather')).toHaveLength(3)
  expect(graph.nodes.filter(({ op }) => op === 'Less')).toHaveLength(2)
})

describe('the memory between nodes', () => {
  const SIZE = 4 * 64 * 64
  const SMALL = 256
  const bytesFor = (build: (x: Tensor) => Tensor) =>
    intermediateBytes({ programs: [compile({ outputs: { y: sum(build(input('x', [64, 64]))) }, engine })] })
  const times = (n: number, f: (x: Tensor) => Tensor) => (x: Tensor) =>
    Array.from({ length: n }).reduce<Tensor>(t => f(t), x)

  it('is two buffers for a chain of any length, one where kernels write over their operand', () => {
    expect(bytesFor(times(5, exp))).toBe(2 * SIZE)
    expect(bytesFor(times(9, exp))).toBe(2 * SIZE)
    // and the sum, for which there is no free buffer then
    expect(bytesFor(times(5, sigmoid))).toBe(SIZE + SMALL)
  })

  it('costs nothing for a view, and holds what is needed later', () => {
    expect(bytesFor(x => reshape(reshape(sigmoid(x), [32, 128]), [4096]))).toBe(SIZE + SMALL)
    expect(
      bytesFor(x => {
        const kept = exp(x)
        return mul(times(5, exp)(kept), kept)
      }),
    ).toBe(3 * SIZE)
  })

  it('is shared by programs that take turns', () => {
    const program = (n: number) => compile({ outputs: { y: sum(times(n, exp)(input('x', [64, 64]))) }, engine })
    expect(intermediateBytes({ programs: [program(3), program(5), program(7)] })).toBe(2 * SIZE)
  })

  it('does not grow with the number of chunks that a long batch of logits is cut into', () => {
    // 122 rows of 65,536 logits are a chunk: 128 rows are two chunks, 512 rows five
    const frozenHead = (path: string) => layerOf(path) === 0
    for (const trained of [frozenHead, () => true]) {
      const [two, five] = [16, 64].map(rows =>
        intermediateBytes(stepOf(engine, { rows, vocab: 65_536, trained, layers: 1 })),
      )
      expect(two).toBeGreaterThan(2 * 31e6)
      expect(five! / two!).toBeLessThan(1.2)
    }
  })

  it('of a step of eight blocks is less than half with remat', () => {
    const size = { layers: 8, rows: 32 }
    const [kept, again] = [false, true].map(rematBlocks => intermediateBytes(stepOf(engine, { ...size, rematBlocks })))
    expect(again! / kept!).toBeLessThan(0.5)
  })
})

describe('the model of the arena', () => {
  it('takes the smallest free chunk that fits, splits what is left, and joins neighbours again', () => {
    const arena = new ArenaModel()
    const big = 4 * MAX_DEAD_BYTES
    arena.take(1, big)
    arena.take(2, big / 2)
    expect(arena.totalBytes).toBe(1.5 * big)
    arena.give(1)
    arena.give(2)
    arena.take(3, big / 2)
    arena.take(4, big / 4)
    arena.take(5, big / 4)
    arena.take(6, big / 2)
    // 3 took the smaller region, 4 to 6 the bigger one in parts
    expect(arena.totalBytes).toBe(1.5 * big)
    for (const key of [4, 6, 5]) arena.give(key)
    arena.take(7, big)
    expect(arena.totalBytes).toBe(1.5 * big)
    arena.take(8, 1)
    expect(arena.totalBytes).toBe(1.5 * big + 256)
  })

  it('holds at least what is in use and at most what was ever asked for; the same requests again cost nothing', () => {
    const request = fc.record({
      bytes: fc.integer({ min: 1, max: 500_000 }),
      lifetime: fc.integer({ min: 0, max: 12 }),
    })
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 60 }), requests => {
        const arena = new ArenaModel()
        const rounded = (bytes: number) => Math.ceil(bytes / 256) * 256
        const play = () => {
          let peak = 0
          const alive = new Map<number, number>()
          for (const [i, { bytes, lifetime }] of requests.entries()) {
            for (const [key, end] of alive) {
              if (end > i) continue
              arena.give(key)
              alive.delete(key)
            }
            arena.take(i, bytes)
            alive.set(i, i + 1 + lifetime)
            peak = Math.max(
              peak,
              [...alive.keys()].reduce((n, key) => n + rounded(requests[key]!.bytes), 0),
            )
          }
          for (const key of alive.keys()) arena.give(key)
          return peak
        }
        const peak = play()
        expect(arena.totalBytes).toBeGreaterThanOrEqual(peak)
        expect(arena.totalBytes).toBeLessThanOrEqual(requests.reduce((n, { bytes }) => n + rounded(bytes), 0))
      }),
    )
  })
})
