import { forward, headWeight } from '../model/forward.js'
import type { Weights } from '../model/weights.js'
import { grad } from '../tensor/autograd.js'
import type { Tensor } from '../tensor/graph.js'
import { fromHost } from '../tensor/leaf.js'
import { linearCrossEntropy } from '../tensor/ops/cross-entropy.js'
import { add, div, mul, sqrt, sub } from '../tensor/ops/elementwise.js'
import { mean, sum } from '../tensor/ops/reduce.js'
import { compile, type Program, runOnce } from '../tensor/program.js'
import { Variable } from '../tensor/variable.js'
import { shortName } from './copy.js'
import type { Lesson } from './lesson.js'
import {
  blockParameters,
  defaultCode,
  firstPair,
  type LessonOptions,
  type LessonSubject,
  pathIn,
  textIds,
} from './subject.js'
import { begunBy, type ZeroRule, zeroedNorms, zeroRules } from './variants.js'

/** How far a step goes in every parameter: enough for the next gradients to show which paths are open. */
const STEP = 1e-3

/** Gradient norms of a block's parameters in its first steps. */
interface StepNorms {
  readonly rule: ZeroRule
  /** One map a step, parameter name to L2 norm. */
  readonly steps: readonly ReadonlyMap<string, number>[]
}

/** Lesson 5: zeros block gradients as well as outputs; which ones decides what can learn, and when. */
export async function firstStep(subject: LessonSubject, { prompt = defaultCode }: LessonOptions): Promise<Lesson> {
  const names = blockParameters(subject)
  const measured: StepNorms[] = []
  for (const rule of [zeroRules[0]!, zeroedNorms]) measured.push(await gradientNorms(subject, rule, prompt, names))
  const [paper, norms] = measured as [StepNorms, StepNorms]
  const cell = (norm: number | undefined) => (norm === 0 ? '0' : norm!.toPrecision(3))
  const rows = names.map(name => [
    shortName(name),
    ...measured.flatMap(({ steps }) => steps.map(step => cell(step.get(name)))),
  ])
  const alive = (step: ReadonlyMap<string, number>) =>
    names
      .filter(name => step.get(name)! > 0)
      .map(shortName)
      .join(', ')
  const dead = names.filter(name => norms.steps.every(step => step.get(name) === 0)).map(shortName)
  return {
    number: 5,
    name: 'first-step',
    title: 'What receives a gradient',
    parts: [
      {
        kind: 'text',
        text: `Gradient norms of the new block in its first two steps on a piece of code, begun the paper's way and with zeroed norms instead.`,
      },
      { kind: 'table', header: ['parameter', 'paper, step 1', 'step 2', 'zeroed norms, step 1', 'step 2'], rows },
      {
        kind: 'text',
        text: `In the first step only ${alive(paper.steps[0]!)} have a gradient: the way to everything behind them leads through zeros. In the second step it is open. With zeroed norms ${dead.length > 0 ? `${dead.join(', ')} have none in either step` : 'every parameter has one by the second step'}.`,
      },
    ],
  }
}

async function gradientNorms(
  subject: LessonSubject,
  rule: ZeroRule,
  text: string,
  names: readonly string[],
): Promise<StepNorms> {
  const { model } = subject
  const pair = firstPair(subject)
  const start = begunBy(subject, pair, rule)
  const own = new Map(names.map(name => [pathIn(pair.added, name), scratch(subject, pathIn(pair.added, name))]))
  let program: Program | null = null
  try {
    const copies = [...own].map(([path, variable]) => [variable, start(path)] as const)
    await runOnce({ outputs: {}, updates: copies, engine: model.engine })
    const weights: Weights = path => own.get(path)?.value ?? model.weights(path)
    const gradients = grad(
      loss(subject, weights, text),
      [...own.values()].map(variable => variable.value),
    )
    const norm = (g: Tensor) => sqrt(sum(mul(g, g)))
    const outputs = Object.fromEntries(names.map((name, i) => [name, norm(gradients[i]!)]))
    const updates = [...own.values()].map((variable, i) => [variable, stepped(variable.value, gradients[i]!)] as const)
    program = compile({ outputs, updates, engine: model.engine })
    const steps: Map<string, number>[] = []
    for (let step = 0; step < 2; step++) {
      const values = await program.run()
      steps.push(new Map(names.map(name => [name, values[name]![0]!])))
    }
    return { rule, steps }
  } finally {
    program?.dispose()
    for (const variable of own.values()) variable.dispose()
  }
}

function scratch({ model }: LessonSubject, path: string): Variable {
  return new Variable(model.parameter(path).shape, 'f32', { kind: 'zeros' }, { engine: model.engine, name: path })
}

/** One step of Adam from nothing: every element moves by about STEP against its gradient, those without one stay. */
function stepped(weight: Tensor, gradient: Tensor): Tensor {
  const size = add(sqrt(mul(gradient, gradient)), 1e-12)
  return sub(weight, mul(div(gradient, size), STEP))
}

function loss(subject: LessonSubject, weights: Weights, text: string): Tensor {
  const { config } = subject.model
  const ids = textIds(subject, text)
  const length = ids.length - 1
  const { hidden } = forward(config, weights, fromHost(ids.slice(0, length), [1, length], 'i32'))
  return mean(linearCrossEntropy(hidden, headWeight(config, weights), fromHost(ids.slice(1), [length], 'i32')))
}
