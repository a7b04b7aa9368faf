/** Whole runs with frozen weights in the bits of their file or fewer: what is measured, reported, saved and continued. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js'
import { sameBytes } from '../../src/checkpoint/read.js'
import { readProvenance } from '../../src/expansion/provenance.js'
import type { RunEvents } from '../../src/lab/run-events.js'
import { runRecipe } from '../../src/lab/run-recipe.js'
import { layerOf } from '../../src/model/parameters.js'
import { readMetrics } from '../../src/train/metrics.js'
import { parseRecipe } from '../../src/train/recipe.js'
import { Emitter } from '../../src/util/emitter.js'
import { writeSynthetic } from '../support/synthetic-checkpoint.js'
import { temporaryDirectory } from '../support/temporary.js'
import { comparable, writeTinyRun } from '../support/tiny-run.js'

const dir = temporaryDirectory('frozen-weights')
const base = join(dir, 'bf16')
let common: Record<string, unknown> = {}

beforeAll(async () => {
  const shape = { hiddenSize: 64, intermediateSize: 96, layers: 2, heads: 4, keyValueHeads: 2, vocabSize: 4096 }
  await writeSynthetic(base, shape)
  common = { ...(await writeTinyRun(join(dir, 'data'), { steps: 4, checkpointEverySteps: 2 })), model: base }
})

async function run(name: string, changes: Record<string, unknown>) {
  const events = new Emitter<RunEvents>()
  let told: RunEvents['quantized'] | null = null
  events.on('quantized', event => (told = event))
  const out = join(dir, name)
  const result = await runRecipe({ recipe: parseRecipe({ ...common, ...changes }), out, threads: 2, events })
  return { out, result, told: told as RunEvents['quantized'] | null, records: readMetrics(join(out, 'metrics.jsonl')) }
}

describe('a run whose frozen weights stay as stored', () => {
  it.each([
    ['expansion', {}],
    ['LoRA', { method: 'lora', expansion: undefined, lora: { rank: 4 } }],
    ['blocks of the base', { method: 'existing', expansion: undefined, existing: { blocks: 1 } }],
  ])('measures and learns what it does with f32, to the last bit: %s', async (name, changes) => {
    const [ours, theirs] = [
      await run(`${name}-source`, { ...changes, frozenWeights: 'source' }),
      await run(`${name}-f32`, { ...changes, frozenWeights: 'f32' }),
    ]
    expect(ours.told).toBeNull()
    expect(comparable(ours.records)).toEqual(comparable(theirs.records))
    const [a, b] = [await openCheckpoint(ours.result.modelDir!), await openCheckpoint(theirs.result.modelDir!)]
    for (const [path, tensor] of a.tensors) expect(await sameBytes(tensor, b.tensors.get(path)!), path).toBe(true)
  })
})

describe('a run whose frozen weights are rounded', () => {
  it.each(['int8', 'int4'])(
    '%s: reports the error of each, and saves the old blocks byte for byte',
    async frozenWeights => {
      const { result, told, records, out } = await run(frozenWeights, { frozenWeights })
      expect(told!.weights.length).toBe(2 * 7 + 2)
      expect(told!.text).toContain('mlp.down_proj.weight')
      const written = JSON.parse(readFileSync(join(out, 'run.json'), 'utf8')) as { quantized: unknown[] }
      expect(written.quantized).toEqual(told!.weights)
      expect(records.some(({ kind }) => kind === 'train')).toBe(true)
      const [old, model] = [await openCheckpoint(base), await openCheckpoint(result.modelDir!)]
      const added = new Set(readProvenance(model.config)!.layers.map(({ index }) => index))
      const kept = [...model.tensors].filter(([path]) => !added.has(layerOf(path) ?? -1))
      // old blocks keep their order, so the n-th of their tensors is the n-th of the base
      const before = [...old.tensors.values()]
      expect(kept.length).toBe(before.length)
      for (const [i, [path, tensor]] of kept.entries()) expect(await sameBytes(tensor, before[i]!), path).toBe(true)
    },
  )

  it('can be continued, and is refused where an engine cannot hold it', async () => {
    const whole = await run('whole', { frozenWeights: 'int4' })
    const out = join(dir, 'halves')
    const recipe = parseRecipe({ ...common, frozenWeights: 'int4' })
    const events = new Emitter<RunEvents>()
    const controller = new AbortController()
    events.on('record', record => {
      if (record.kind === 'train' && record.step === 2) controller.abort()
    })
    await runRecipe({ recipe, out, threads: 2, events, signal: controller.signal })
    await runRecipe({ recipe, out, threads: 2, resume: true })
    expect(comparable(readMetrics(join(out, 'metrics.jsonl')))).toEqual(comparable(whole.records))
    const tfjs = runRecipe({ recipe, out: join(dir, 'tfjs'), device: 'tfjs' })
    await expect(tfjs).rejects.toMatchObject({
      code: 'FROZEN_WEIGHTS',
      message: expect.stringContaining('frozenWeights: f32'),
    })
  })
})
