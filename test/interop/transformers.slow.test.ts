/** Model directories written here, opened by Hugging Face transformers: every tensor is found, and the model is the same function. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadModel } from '../../src/checkpoint/load-model.js'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { expandCheckpoint } from '../../src/expansion/expand-checkpoint.js'
import { planExpansion } from '../../src/expansion/plan.js'
import { generate } from '../../src/model/generate.js'
import { formatTable } from '../../src/util/format.js'
import { describeWithPython, runPython } from '../support/python.js'
import { temporaryDirectory } from '../support/temporary.js'
import { families, type LoadedModel, logitsOfModel, maxDifference, saveRandomModel } from './models.js'

describeWithPython('transformers opens expanded models', () => {
  const dir = temporaryDirectory('interop')
  const engine = new OnnxEngine({ threads: 1 })
  const folder = (i: number, kind: 'base' | 'expanded') => join(dir, `${kind}-${i}`)
  const ids = Array.from({ length: 40 }, (_, i) => (i * 37 + 11) % 97)
  const provenances: unknown[] = []
  const table: string[][] = []
  let theirs: LoadedModel[]

  beforeAll(async () => {
    for (const [i, family] of families.entries()) {
      await saveRandomModel(folder(i, 'base'), family, engine)
      const limit = family.maxShardBytes === undefined ? {} : { maxShardBytes: family.maxShardBytes }
      const plan = planExpansion({ numHiddenLayers: 4 }, { groups: 2 })
      const { provenance, files } = await expandCheckpoint(folder(i, 'base'), folder(i, 'expanded'), plan, limit)
      expect(files.includes('model.safetensors.index.json')).toBe(family.maxShardBytes !== undefined)
      provenances.push(provenance)
    }
    const models = families.flatMap((_, i) => [folder(i, 'base'), folder(i, 'expanded')])
    theirs = await runPython<LoadedModel[]>('logits.py', { models, ids })
  })

  afterAll(async () => {
    await engine.dispose()
    console.log(`\n${formatTable(['against transformers', 'largest logit', 'logits', 'identity'], table)}\n`)
  })

  it.each(families.map((family, i) => ({ ...family, i })))('$name', async ({ name, className, i }) => {
    const [base, expanded] = theirs.slice(2 * i) as [LoadedModel, LoadedModel]
    for (const { family, loading } of [base, expanded]) {
      expect(family).toBe(className)
      expect(loading).toMatchObject({ missing_keys: [], unexpected_keys: [] })
      expect(Object.values(loading).flat()).toEqual([])
    }
    expect([base.layers, expanded.layers]).toEqual([4, 6])
    expect([base.llamaPro, expanded.llamaPro]).toEqual([null, provenances[i]])

    const largest = Math.max(...expanded.logits.map(Math.abs))
    const error = maxDifference(await logitsOfModel(folder(i, 'expanded'), ids, engine), expanded.logits)
    const identity = maxDifference(base.logits, expanded.logits)
    table.push([name, largest.toFixed(2), error.toExponential(1), String(identity)])
    // of smaller logits the tolerance would say nothing
    expect(largest).toBeGreaterThan(1)
    expect(error).toBeLessThanOrEqual(2e-4)
    expect(identity).toBe(0)
  })

  it('continues greedily with the same ids as generate() with its cache', async () => {
    const prompts = [[1], [5, 9, 31, 2, 77], Array.from({ length: 29 }, (_, i) => (i * 41 + 3) % 97)]
    const request = { model: folder(0, 'expanded'), prompts, maxNewTokens: 32 }
    const expected = await runPython<number[][]>('generate.py', request)
    expect(expected.map(list => list.length)).toEqual([32, 32, 32])
    expect(new Set(expected.flat()).size).toBeGreaterThan(10)
    const model = await loadModel(request.model, engine)
    for (const [i, prompt] of prompts.entries()) {
      const ours: number[] = []
      for await (const id of generate(model, prompt, { maxNewTokens: 32, stopIds: [] })) ours.push(id)
      expect(ours).toEqual(expected[i])
    }
    model.dispose()
  })
})
