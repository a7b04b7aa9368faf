/** How frozen weights are held, by what the recipe asks for, what the file has and what the engine can hold. */
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Checkpoint, openCheckpoint } from '../../src/checkpoint/checkpoint.js'
import { loadModel } from '../../src/checkpoint/load-model.js'
import { ReferenceEngine } from '../../src/engines/reference/engine.js'
import { frozenStorage, widenedWarning } from '../../src/lab/frozen-storage.js'
import type { HeldWeights } from '../../src/lab/held-weights.js'
import type { Engine } from '../../src/tensor/engine.js'
import { bf16ToF32, f32ToBf16 } from '../../src/tensor/half.js'
import { parseRecipe } from '../../src/train/recipe.js'
import { writeHalfModel } from '../support/half-checkpoint.js'
import { temporaryDirectory } from '../support/temporary.js'
import { writeBase } from '../support/tiny-run.js'

const dir = temporaryDirectory('frozen-storage')
const path = 'model.layers.0.mlp.up_proj.weight'

beforeAll(async () => {
  await writeHalfModel(join(dir, 'BF16'), 'BF16')
  await writeBase(join(dir, 'F32'))
})

class Low extends ReferenceEngine {
  readonly precision = 'bf16'
}

class Wide extends ReferenceEngine {
  readonly widensHalf = true
}

const recipeOf = (model: string, frozenWeights: string) =>
  parseRecipe({
    model,
    frozenWeights,
    method: 'expansion',
    expansion: { groups: 1 },
    data: { sources: [{ manifest: 'x' }], seqLen: 8 },
    steps: 1,
    seed: 1,
  })

async function held(
  stored: 'BF16' | 'F32',
  frozenWeights: string,
  engine: ReferenceEngine,
  noted: HeldWeights | 'older' | null = null,
  of = path,
): Promise<string> {
  const checkpoint = await openCheckpoint(join(dir, stored))
  const trained = new Set(['x'])
  return frozenStorage(recipeOf(join(dir, stored), frozenWeights), checkpoint, { engine, trained, held: noted })(of)
}

describe('frozen weights', () => {
  it('are bf16 on an engine that computes in it, whatever their file has', async () => {
    expect([await held('F32', 'auto', new Low()), await held('BF16', 'auto', new Low())]).toEqual(['bf16', 'bf16'])
    expect(await held('F32', 'f32', new Low())).toBe('f32')
    // rows of the embedding are no operands of a product
    const embedding = 'model.embed_tokens.weight'
    expect(await held('F32', 'auto', new Low(), null, embedding)).toBe('f32')
    expect(await held('BF16', 'auto', new Low(), null, embedding)).toBe('bf16')
    expect(await held('BF16', 'auto', new ReferenceEngine())).toBe('f32')
    const rounded = await loadModel(join(dir, 'F32'), new ReferenceEngine(), { storage: () => 'bf16' })
    const exact = await loadModel(join(dir, 'F32'), new ReferenceEngine())
    const [variable, whole] = [rounded.parameter(path), await exact.parameter(path).read()]
    expect([variable.dtype, variable.isReadOnly, rounded.parameter('model.norm.weight').dtype]).toEqual([
      'bf16',
      true,
      'f32',
    ])
    expect(Array.from(await variable.read(), bf16ToF32)).toEqual(Array.from(whole, x => bf16ToF32(f32ToBf16(x))))
  })

  it('of a run that goes on are held as they were when it began', async () => {
    expect(await held('F32', 'auto', new Low(), {})).toBe('f32')
    expect(await held('F32', 'auto', new ReferenceEngine(), { [path]: 'f16' })).toBe('f16')
    expect(await held('F32', 'auto', new Low(), 'older')).toBe('f32')
    expect(await held('BF16', 'auto', new Low(), 'older')).toBe('bf16')
    expect(await held('F32', 'int8', new Low(), {})).toBe('int8')
  })

  it('as stored are refused where they would become f32, and nothing is told of a small model', async () => {
    expect(await held('BF16', 'source', new ReferenceEngine())).toBe('source')
    await expect(held('BF16', 'source', new Wide())).rejects.toMatchObject({
      code: 'FROZEN_WEIGHTS',
      message: expect.stringContaining('set frozenWeights: f32'),
    })
    expect(await held('F32', 'source', new Wide())).toBe('source')
    expect(await held('BF16', 'auto', new Wide())).toBe('f32')
    const checkpoint = await openCheckpoint(join(dir, 'BF16'))
    const tensor = { ...checkpoint.tensors.get(path)!, byteLength: 1.5e9 }
    const large = { ...checkpoint, tensors: new Map([...checkpoint.tensors, [path, tensor], ['y', tensor]]) }
    const recipe = recipeOf(join(dir, 'BF16'), 'auto')
    const told = (of: Checkpoint, engine: Engine, ...trained: string[]) =>
      widenedWarning(recipe, of, { engine, trained: new Set(trained) })
    expect(told(checkpoint, new Wide())).toEqual([])
    expect(told(large, new ReferenceEngine())).toEqual([])
    expect(told(large, new Wide())).toEqual([expect.stringMatching(/holds them in f32 \(6\.00 GB/)])
    expect(told(large, new Wide(), path)).toEqual([expect.stringMatching(/holds them in f32 \(3\.00 GB/)])
    expect(told(large, new Wide(), path, 'y')).toEqual([])
  })
})
