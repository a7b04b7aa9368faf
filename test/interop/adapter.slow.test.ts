/** A LoRA adapter in PEFT: the same logits beside the base, and PEFT's merge beside ours. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadModel } from '../../src/checkpoint/load-model.js'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { addLora } from '../../src/methods/lora.js'
import { saveAdapter } from '../../src/methods/save-adapter.js'
import { linearNames } from '../../src/model/parameters.js'
import { batchIds, disturb, largestDifference, logitsFor, mergedModel } from '../methods/support.js'
import { describeWithPython, runPython } from '../support/python.js'
import { temporaryDirectory } from '../support/temporary.js'
import { writeBase } from '../support/tiny-run.js'

function suite(): void {
  const dir = temporaryDirectory('adapter')
  const engine = new OnnxEngine()
  afterAll(() => engine.dispose())
  const base = join(dir, 'base')
  beforeAll(() => writeBase(base, { range: 0.2 }))

  it.each([{ targets: linearNames }, { targets: ['q_proj', 'down_proj'] as const }])('%j', async ({ targets }) => {
    const lora = { rank: 5, alpha: 7, targets }
    const model = addLora(await loadModel(base, engine), lora, { seed: 3 })
    const start = await logitsFor(model)
    disturb(model)
    const adapter = join(dir, `adapter-${targets.length}`)
    await saveAdapter(adapter, model, { lora, base })
    const theirs = await runPython<{ logits: number[]; merged: number[] }>('adapter.py', {
      base,
      adapter,
      ids: batchIds,
    })
    const ours = await logitsFor(model)
    const rows = (values: ArrayLike<number>) => Array.from(values).slice(0, theirs.logits.length)
    const difference = largestDifference(rows(ours), theirs.logits)
    const merged = largestDifference(rows(await logitsFor(await mergedModel(model))), theirs.merged)
    console.log(`largest difference to PEFT: ${difference.toExponential(1)} adapted, ${merged.toExponential(1)} merged`)
    expect(largestDifference(rows(start), theirs.logits)).toBeGreaterThan(0.1)
    expect(difference).toBeLessThan(2e-5)
    expect(merged).toBeLessThan(2e-5)
  })
}

describeWithPython('PEFT opens a LoRA adapter', suite, { also: ['peft'] })
