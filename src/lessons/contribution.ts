import type { Probe } from '../data/probe.js'
import { newLayers, readProvenance } from '../expansion/provenance.js'
import { type IdentityReport, verifyIdentity } from '../expansion/verify-identity.js'
import { Evaluator, meanNats } from '../forgetting/evaluator.js'
import { forward, headWeight } from '../model/forward.js'
import { axis, type Figure, type LineSeries } from '../plot/figure.js'
import { assignColors } from '../plot/palette.js'
import type { Tensor } from '../tensor/graph.js'
import { fromHost, scalar } from '../tensor/leaf.js'
import { linearCrossEntropy } from '../tensor/ops/cross-entropy.js'
import { runOnce } from '../tensor/program.js'
import { Variable } from '../tensor/variable.js'
import { openBase } from './base.js'
import type { ColoredToken, Lesson } from './lesson.js'
import { defaultCode, firstPair, type LessonOptions, type LessonSubject, textIds } from './subject.js'

const ALPHAS = [0, 0.25, 0.5, 0.75, 1]
const TOKENS_SCORED = 1024

/**
 * Lesson 8: the gates of the new blocks moved from 0 to 1, compared with the base on disk, and each token's loss with the
 * new blocks against without them.
 */
export async function contribution(subject: LessonSubject, { prompt = defaultCode }: LessonOptions): Promise<Lesson> {
  firstPair(subject)
  const layers = [...newLayers(readProvenance(subject.model.config))]
  const ids = textIds(subject, prompt)
  const { sweep, closed } = await againstBase(subject, layers, ids)
  const tokens = await tokenChanges(subject, layers, ids)
  return {
    number: 8,
    name: 'contribution',
    title: 'What the new blocks have learned',
    parts: [
      {
        kind: 'text',
        text: `The output of every new block times alpha: at 0 the new blocks are not there, at 1 stands the trained model. ${closedText(closed)}`,
      },
      { kind: 'figure', figure: sweepFigure(sweep) },
      { kind: 'text', text: 'Each token of a sample by how much the new blocks change its loss, in nats.' },
      { kind: 'tokens', tokens, low: 'predicted better', high: 'predicted worse' },
    ],
  }
}

/** Losses of a probe, nats a token: of the base, and of the live model at each alpha. */
interface Swept {
  readonly probe: string
  readonly base: number
  readonly losses: number[]
}

/** Measures the base as it lies on disk, and the live model at every alpha; `closed` compares their logits at alpha 0. */
async function againstBase(
  subject: LessonSubject,
  layers: readonly number[],
  ids: Int32Array,
): Promise<{ sweep: Swept[]; closed: IdentityReport }> {
  const { model, signal } = subject
  const seqLen = Math.min(128, model.config.maxPositionEmbeddings)
  const probes = await subject.openProbes({ maxTokens: TOKENS_SCORED, seqLen })
  const gate = new Variable([], 'f32', { kind: 'zeros' }, { engine: model.engine, name: 'alpha' })
  const gates = new Map(layers.map(layer => [layer, gate.value]))
  const evaluators: Evaluator[] = []
  const score = async (evaluator: Evaluator, probe: Probe) =>
    meanNats(await evaluator.score(probe, signal ? { signal } : {}))
  try {
    const base = await openBase(subject)
    const sweep: Swept[] = []
    let closed: IdentityReport
    try {
      closed = await verifyIdentity(base, model, [ids], { gates, signal })
      evaluators.push(new Evaluator(base, { seqLen }))
      for (const probe of probes)
        sweep.push({ probe: probe.name, base: await score(evaluators[0]!, probe), losses: [] })
    } finally {
      base.dispose()
    }
    const evaluator = new Evaluator(model, { seqLen, gates })
    evaluators.push(evaluator)
    for (const alpha of ALPHAS) {
      gate.write(Float32Array.of(alpha))
      for (const [i, probe] of probes.entries()) sweep[i]!.losses.push(await score(evaluator, probe))
    }
    return { sweep, closed }
  } finally {
    for (const evaluator of evaluators) evaluator.dispose()
    gate.dispose()
  }
}

function closedText({ identical, maxAbsDiff, positions, nonFinite }: IdentityReport): string {
  if (identical)
    return `At 0 the logits of the sample below are those of the base on disk, bit for bit, at all ${positions} positions.`
  const why = 'weights outside the new blocks have changed, or the base has new blocks of its own'
  if (maxAbsDiff === null || nonFinite > 0)
    return `At 0 the logits of ${nonFinite} of ${positions} positions are not finite, so nothing can be said of the base.`
  return `At 0 the logits of the sample below differ from those of the base on disk by up to ${maxAbsDiff.toPrecision(3)}: ${why}.`
}

function sweepFigure(sweep: readonly Swept[]): Figure {
  const colors = assignColors(sweep.map(({ probe }) => probe))
  const series = sweep.map(({ probe, base, losses }): LineSeries => {
    const head = { name: probe, group: probe, color: colors.get(probe)!, label: probe }
    const y = losses.map(loss => loss - base)
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

async function tokenChanges(
  subject: LessonSubject,
  layers: readonly number[],
  ids: Int32Array,
): Promise<ColoredToken[]> {
  const off = new Map(layers.map(layer => [layer, scalar(0)]))
  const losses = { on: lossesOf(subject, ids, new Map()), off: lossesOf(subject, ids, off) }
  const values = await runOnce({ outputs: losses, engine: subject.model.engine })
  const pieces = Array.from(ids.subarray(1), id => subject.tokenizer.decode([id]))
  return pieces.map((piece, i) => ({ text: piece, value: values.on[i]! - values.off[i]! }))
}

function lossesOf({ model }: LessonSubject, ids: Int32Array, gates: ReadonlyMap<number, Tensor>): Tensor {
  const length = ids.length - 1
  const inputs = fromHost(ids.slice(0, length), [1, length], 'i32')
  const { hidden } = forward(model.config, model.weights, inputs, { gates })
  return linearCrossEntropy(hidden, headWeight(model.config, model.weights), fromHost(ids.slice(1), [length], 'i32'))
}
