import { newLayers, readProvenance } from '../expansion/provenance.js'
import { forward, logitsOf } from '../model/forward.js'
import type { Weights } from '../model/weights.js'
import type { Tensor } from '../tensor/graph.js'
import { fromHost, scalar } from '../tensor/leaf.js'
import { runOnce } from '../tensor/program.js'
import type { Lesson } from './lesson.js'
import { defaultPrompt, firstPair, type LessonOptions, type LessonSubject, promptIds } from './subject.js'
import { begunBy, zeroedNorms, zeroRules } from './variants.js'

const LIKELIEST = 5

/** Lesson 4: the expanded model gives the base's logits, bit for bit, on the reader's own prompt; other beginnings may not. */
export async function proof(subject: LessonSubject, { prompt = defaultPrompt }: LessonOptions): Promise<Lesson> {
  const { model, tokenizer } = subject
  const pair = firstPair(subject)
  const ids = promptIds(subject, prompt)
  const layers = [...newLayers(readProvenance(model.config))]
  const off = new Map(layers.map(layer => [layer, scalar(0)]))
  const run = async (weights: Weights, gates: ReadonlyMap<number, Tensor>) => {
    const { hidden } = forward(model.config, weights, fromHost(ids, [1, ids.length], 'i32'), { gates })
    const outputs = { logits: logitsOf(model.config, weights, hidden) }
    return (await runOnce({ outputs, engine: model.engine })).logits as Float32Array
  }
  const base = await run(model.weights, off)
  const live = await run(model.weights, new Map())
  const only = new Map(off)
  only.delete(pair.added)
  const rows: string[][] = []
  let normsKeepIt = false
  for (const rule of zeroRules) {
    const logits = await run(begunBy(subject, pair, rule), only)
    if (rule === zeroedNorms) normsKeepIt = isSame(base, logits)
    rows.push([
      rule.name,
      largestDifference(base, logits).toPrecision(3),
      isSame(base, logits) ? 'identical' : 'another function',
    ])
  }
  const width = model.config.vocabSize
  const [last, expanded] = [base.subarray(-width), live.subarray(-width)]
  const best = Array.from(last.keys())
    .sort((a, b) => last[b]! - last[a]!)
    .slice(0, LIKELIEST)
  return {
    number: 4,
    name: 'proof',
    title: 'The same function',
    parts: [
      {
        kind: 'text',
        text: `After ${JSON.stringify(prompt)}, the likeliest next tokens without the new blocks (all gates at 0) and with them (at 1). Largest difference over all ${base.length} logits: ${largestDifference(base, live)}.`,
      },
      {
        kind: 'table',
        header: ['next token', 'without', 'with', 'difference'],
        rows: best.map(id => [
          JSON.stringify(tokenizer.decode([id])),
          last[id]!.toFixed(6),
          expanded[id]!.toFixed(6),
          String(expanded[id]! - last[id]!),
        ]),
      },
      {
        kind: 'text',
        text: `What if block ${pair.added} began otherwise? The same comparison with other parts of the copy zeroed:`,
      },
      { kind: 'table', header: ['zeroed in the copy', 'largest difference', ''], rows },
      {
        kind: 'text',
        text: normsKeepIt
          ? 'Zeroed norms keep the function too. Why the paper does not take them shows in the next step.'
          : 'Zeroed norms do not keep the function of a model with biases: what a bias adds does not pass through a norm.',
      },
    ],
  }
}

export function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0)
}

function isSame(a: Float32Array, b: Float32Array): boolean {
  return a.every((x, i) => x === b[i])
}
