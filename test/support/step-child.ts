/** Runs a few training steps in a process of its own: `step-child.ts '{"remat": true, ...}'`; prints losses and memory as JSON. */
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { layerOf } from '../../src/model/parameters.js'
import { TrainStep } from '../../src/train/step.js'
import { tinyBatch, tinyModel } from './tiny-model.js'

export interface StepRequest {
  remat: boolean
  layers: number
  rows: number
  seqLen: number
  steps: number
}

export interface StepReport {
  losses: number[]
  gradNorms: number[]
  /** Resident bytes when the programs are loaded and nothing has run. */
  loadedBytes: number
  peakBytes: number
}

async function main(): Promise<void> {
  const { remat, layers, rows, seqLen, steps } = JSON.parse(process.argv[2]!) as StepRequest
  const engine = new OnnxEngine({ threads: 1 })
  const changes = {
    hidden_size: 128,
    intermediate_size: 352,
    num_hidden_layers: layers,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    vocab_size: 256,
    max_position_embeddings: seqLen,
  }
  const model = tinyModel(engine, { changes, range: 0.05 })
  const trainable = [...model.parameters.keys()].filter(path => layerOf(path) === 0)
  const optimizer = { betas: [0.9, 0.95] as const, eps: 1e-8, weightDecay: 0.1, clipNorm: 1 }
  const step = new TrainStep(model, trainable, {
    microBatch: rows,
    seqLen,
    gradAccumSteps: 1,
    optimizer,
    rematBlocks: remat,
  })
  await step.load()
  const loadedBytes = process.memoryUsage.rss()
  const report: StepReport = { losses: [], gradNorms: [], loadedBytes, peakBytes: 0 }
  for (let n = 1; n <= steps; n++) {
    const { lossNats, gradNorm } = await step.run([tinyBatch(rows, seqLen, 256, n)], 0.01, n)
    report.losses.push(lossNats)
    report.gradNorms.push(gradNorm)
  }
  report.peakBytes = process.resourceUsage().maxRSS * 1024
  process.stdout.write(JSON.stringify(report))
  await engine.dispose()
}

void main()
