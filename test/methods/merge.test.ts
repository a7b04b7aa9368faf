import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { loadModel, type WeightStorage } from '../../src/checkpoint/load-model.js'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { addLora } from '../../src/methods/lora.js'
import { plainParameters } from '../../src/methods/merge.js'
import { addExperts } from '../../src/methods/two-experts.js'
import type { Model } from '../../src/model/model.js'
import { writeSynthetic } from '../support/synthetic-checkpoint.js'
import { temporaryDirectory } from '../support/temporary.js'
import { disturb } from './support.js'

const base = join(temporaryDirectory('merge'), 'bf16')
const engine = new OnnxEngine({ threads: 1 })
beforeAll(() =>
  writeSynthetic(base, {
    hiddenSize: 64,
    intermediateSize: 96,
    layers: 1,
    heads: 4,
    keyValueHeads: 2,
    vocabSize: 64,
  }),
)
afterAll(() => engine.dispose())

const adapters: Record<string, (model: Model) => Model> = {
  LoRA: model => addLora(model, { rank: 3, alpha: 12, targets: ['q_proj', 'down_proj'] }, { seed: 1 }),
  'two experts': addExperts,
}

describe.each(Object.entries(adapters))('%s folded into the base', (_, adapt) => {
  it.each(['source', 'int8', 'int4'] as const)(
    'is folded into the weights of the file when they are held as %s',
    async storage => {
      const saved = async (kind: WeightStorage) => {
        const model = adapt(await loadModel(base, engine, { storage: () => kind }))
        disturb(model)
        const changed = plainParameters(model).filter(({ name }) => name.endsWith('down_proj.weight'))
        const values = await Promise.all(changed.map(({ read }) => read()))
        model.dispose()
        return values
      }
      const before = await engine.memory()
      expect(await saved(storage)).toEqual(await saved('f32'))
      expect((await engine.memory()).variableBytes).toBe(before.variableBytes)
    },
  )
})
