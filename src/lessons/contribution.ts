import { newLayers, readProvenance } from '../expansion/provenance.js'
import { Evaluator, meanNats } from '../forgetting/evaluator.js'
import { forward, headWeight } from '../model/forward.js'
import { axis, type Figure, type LineSeries } from '../plot/figure.js'
import { assignColors } from '../plot/palette.js'
import type { Tensor } from '../tensor/graph.js'
import { fromHost, scalar } from '../tensor/leaf.js'
import { linearCrossEntropy } from '../tensor/ops/cross-entropy.js'
import { compile } from '../tensor/program.js'
import { Variable } from '../tensor/variable.js'
import type { ColoredToken, Lesson } from './lesson.js'
import { defaultCode, firstPair, type LessonOptions, type LessonSubject, textIds } from './subject.js'

const ALPHAS = [0, 0.25, 0.5, 0.75, 1]
const TOKENS_SCORED = 1024

/** Lesson 8: the gates of the new blocks moved from 0 to 1, and each token's loss with the new blocks against without them. */
export async function contribution(subject: LessonSubject, { prompt = defaultCode }: LessonOptions): Promise<Lesson> {
  firstPair(subject)
  const layers = [...newLayers(readProvenance(subject.model.config))]
  const sweep = await gateSweep(subject, layers)
  const tokens = await tokenChanges(subject, layers, prompt)
  return {
    number: 8,
    name: 'contribution',
    title: 'What the new blocks have learned',
    parts: [
      {
        kind: 'text',
        text: 'The output of every new block times alpha. At 0 the new blocks are not there: where the old ones were frozen, that is the base to the last bit. At 1 stands the trained model.',
      },
      { kind: 'figure', figure: sweepFigure(sweep) },
      { kind: 'text', text: 'Each token of a sample by how much the new blocks change its loss, in nats.' },
      { kind: 'tokens', tokens, low: 'predicted better', high: 'predicted worse' },
    ],
  }
}

type Sweep = { probe: string; losses: number[] }[]

async function gateSweep(subject: LessonSubject, layers: readonly number[]): Promise<Sweep> {
  const { model, signal } = subject
  const seqLen = Math.min(128, model.config.maxPositionEmbeddings)
  const probes = await subject.openProbes({ maxTokens: TOKENS_SCORED, seqLen })
  const gate = new Variable([], 'f32', { kind: 'zeros' }, { engine: model.engine, name: 'alpha' })
  try {
    const evaluator = new Evaluator(model, { seqLen, gates: new Map(layers.map(layer => [layer, gate.value])) })
    const losses = probes.map(({ name }) => ({ probe: name, losses: [] as number[] }))
    for (const alpha of ALPHAS) {
      gate.write(Float32Array.of(alpha))
      for (const [i, probe] of probes.entries()) {
        losses[i]!.losses.push(meanNats(await evaluator.score(probe, signal ? { signal } : {})))
      }
    }
    return losses
  } finally {
    gate.dispose()
  }
}

function sweepFigure(sweep: Sweep): Figure {
  const colors = assignColors(sweep.map(({ probe }) => probe))
  const series = sweep.map(({ probe, losses }): LineSeries => {
    const head = { name: probe, group: probe, color: colors.get(probe)!, label: probe }
    const y = losses.map(loss => loss - losses[0]!)
    return { ...head, kind: 'line', x: ALPHAS, y, dash: 'solid', marker: 'circle', faint: false }
  })
  const panel = {
    title: 'Gates of the new blocks',
    xAxis: axis('alpha', { min: 0, max: 1 }),
    yAxis: axis('loss minus that of the base', { unit: 'nats/token' }),
    zeroLine: true,
    series,
    annotations: [],
    legend: [],
  }
  return { title: '', caption: '', columns: 1, panels: [panel] }
}

async function tokenChanges(subject: LessonSubject, layers: readonly number[], text: string): Promise<ColoredToken[]> {
  const ids = textIds(subject, text)
  const off = new Map(layers.map(layer => [layer, scalar(0)]))
  const losses = { on: lossesOf(subject, ids, new Map()), off: lossesOf(subject, ids, off) }
  const values = await compile({ outputs: losses, engine: subject.model.engine }).run()
  const pieces = Array.from(ids.subarray(1), id => subject.tokenizer.decode([id]))
  return pieces.map((piece, i) => ({ text: piece, value: values.on[i]! - values.off[i]! }))
}

function lossesOf({ model }: LessonSubject, ids: Int32Array, gates: ReadonlyMap<number, Tensor>): Tensor {
  const length = ids.length - 1
  const inputs = fromHost(ids.slice(0, length), [1, length], 'i32')
  const { hidden } = forward(model.config, model.weights, inputs, { gates })
  return linearCrossEntropy(hidden, headWeight(model.config, model.weights), fromHost(ids.slice(1), [length], 'i32'))
}
