import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { trainBpe } from '../../src/tokenizer/train-bpe.js'
import { MetricsWriter } from '../../src/train/metrics.js'
import { writeTinyModel } from '../support/tiny-checkpoint.js'

const words = ['river', 'stone', 'lamp', 'letter', 'bread', 'clock', 'winter', 'road', 'salt', 'garden']

/** A document of a few sentences; a function of its number. */
function documentText(n: number): string {
  const at = (i: number) => words[(n * 7 + i * 3) % words.length]!
  return Array.from({ length: 8 }, (_, i) => `The ${at(i)} and the ${at(i + 1)} were near the ${at(i + n)}.`).join(' ')
}

/** A model of a few thousand parameters with a vocabulary of its own, which knows nothing. */
export async function writeTinyBase(dir: string, changes: Record<string, unknown> = {}): Promise<void> {
  const vocabSize = 300
  const tokenizer = trainBpe(
    Array.from({ length: 40 }, (_, n) => documentText(n)),
    { vocabSize },
  )
  const ids = { bos_token_id: 0, eos_token_id: 1 }
  await writeTinyModel(dir, {
    ...ids,
    vocab_size: vocabSize,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 2,
    max_position_embeddings: 128,
    ...changes,
  })
  writeFileSync(join(dir, 'tokenizer.json'), JSON.stringify(tokenizer))
}

/** Training data and a held-out set with their manifests. */
function writeTinyData(dir: string): void {
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => `${JSON.stringify({ text: documentText(from + i) })}\n`).join('')
  mkdirSync(dir, { recursive: true })
  writeFileSync(join(dir, 'train.jsonl'), lines(0, 60))
  writeFileSync(join(dir, 'held-out.jsonl'), lines(60, 70))
  for (const name of ['train', 'held-out'])
    writeFileSync(
      join(dir, `${name}.yaml`),
      stringify({ name: `tiny/${name}`, files: `${name}.jsonl`, format: 'jsonl' }),
    )
}

/** Writes `base/`, `data/` and the recipes `expansion.yaml` and `full.yaml` of a run of a second or two. */
export async function writeTinyWorld(dir: string, changes: Record<string, unknown> = {}): Promise<void> {
  await writeTinyBase(join(dir, 'base'))
  writeTinyData(join(dir, 'data'))
  const common = {
    model: 'base',
    data: { sources: [{ manifest: 'data/train.yaml' }], seqLen: 32 },
    batch: { microBatch: 2 },
    steps: 6,
    seed: 1,
    probes: [{ name: 'held-out', manifest: 'data/held-out.yaml', maxTokens: 512 }],
    probeEverySteps: 3,
    checkpointEverySteps: 2,
    ...changes,
  }
  const expansion = { name: 'tiny', method: 'expansion', expansion: { groups: 2 }, ...common }
  writeFileSync(join(dir, 'expansion.yaml'), stringify(expansion))
  writeFileSync(join(dir, 'full.yaml'), stringify({ name: 'tiny-full', method: 'full', ...common }))
}

/** A run directory with made-up metrics: four steps, two probes. */
export function writeTinyMetrics(dir: string, { slope = 0.1 }: { slope?: number } = {}): void {
  mkdirSync(dir, { recursive: true })
  const writer = MetricsWriter.create(join(dir, 'metrics.jsonl'))
  for (let step = 0; step <= 4; step++) {
    const head = { step, tokens: 64 * step, seconds: step }
    if (step > 0)
      writer.write({
        ...head,
        kind: 'train',
        lossNats: 5 - slope * step,
        lr: 1e-3,
        gradNorm: 1,
        tokensPerSec: 64,
        rssBytes: 1e8,
        mix: { tiny: 64 * step },
      })
    for (const [probe, sign] of [
      ['general', 1],
      ['code', -1],
    ] as const) {
      const deltaNats = sign * slope * step
      writer.write({
        ...head,
        kind: 'probe',
        probe,
        lossNats: 3 + deltaNats,
        bitsPerByte: 2 + deltaNats / 2,
        deltaNats,
        deltaLow: deltaNats - 0.01,
        deltaHigh: deltaNats + 0.01,
        klToBaseNats: null,
        unshifted: null,
        marginal: null,
        shifted: null,
        tokensScored: 1000,
        bytesScored: 3000,
      })
    }
  }
  writer.close()
}
