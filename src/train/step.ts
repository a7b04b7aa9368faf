/** The compiled programs of a training step: loss, gradients, clipping and AdamW, with all state on the device. */

import { forward, headWeight } from '../model/forward.js'
import type { Model } from '../model/model.js'
import { grad } from '../tensor/autograd.js'
import type { HostArray } from '../tensor/dtype.js'
import type { Tensor } from '../tensor/graph.js'
import { input } from '../tensor/leaf.js'
import { adamw } from '../tensor/ops/adamw.js'
import { linearCrossEntropy } from '../tensor/ops/cross-entropy.js'
import { add, div, greater, lessOrEqual, minimum, mul, sqrt, where } from '../tensor/ops/elementwise.js'
import { concat, reshape } from '../tensor/ops/movement.js'
import { mean, sum } from '../tensor/ops/reduce.js'
import { compile, Program } from '../tensor/program.js'
import { sizeOf } from '../tensor/shape.js'
import { Variable } from '../tensor/variable.js'
import { LabError } from '../util/errors.js'
import { firstLossScale, type LossScaleState, type LossScaling, nextLossScale } from './loss-scale.js'

export interface OptimizerConfig {
  /** First and second moment decays. */
  betas: readonly [number, number]
  eps: number
  /** Decoupled weight decay. */
  weightDecay: number
  /** Gradients are scaled down to this global L2 norm; null = no clipping. */
  clipNorm: number | null
}

export interface StepOptions {
  /** B, rows a micro-batch. */
  microBatch: number
  /** T, tokens a row. */
  seqLen: number
  /** Micro-batches whose gradients are averaged for one optimizer step. */
  gradAccumSteps: number
  optimizer: OptimizerConfig
  /** Recompute blocks in the backward pass instead of keeping their activations. */
  rematBlocks: boolean
  /** For an engine that computes in f16 (default null: none). A step whose gradient is not finite then changes nothing. */
  lossScaling?: LossScaling | null
}

export interface MicroBatch {
  /** (B, T) row-major. */
  inputIds: Int32Array
  targets: Int32Array
}

export interface StepResult {
  /** Mean nats per token over all micro-batches, before the update. */
  lossNats: number
  /** Global L2 norm of the gradient before clipping. */
  gradNorm: number
  /** L2 norm of the gradient of each trainable parameter before clipping, by its path. */
  gradNorms: ReadonlyMap<string, number>
  /** What the loss was multiplied by; null without loss scaling. */
  lossScale: number | null
  /** Whether the gradient was not finite and weights, moments and AdamW's t stayed as they were; only with loss scaling. */
  isSkipped: boolean
}

/** The greatest f32: a norm is finite when it is not above. */
const MAX_F32 = (2 - 2 ** -23) * 2 ** 127

type NormOutput = 'gradNorm' | 'gradNorms'

/** First and second moment of one trainable parameter. */
interface Moments {
  readonly m: Variable
  readonly v: Variable
}

/**
 * One optimizer step at a time over a model's trainable parameters. Owns the moments (and accumulators), not the model.
 * With one micro-batch a step is one program: loss, gradients and updates in a single run.
 */
export class TrainStep {
  readonly #model: Model
  readonly #options: StepOptions
  readonly #trainable: readonly string[]
  readonly #moments = new Map<string, Moments>()
  readonly #accumulators = new Map<string, Variable>()
  readonly #fused: Program<'loss' | NormOutput> | null
  readonly #accumulate: Program<'loss'> | null
  readonly #apply: Program<NormOutput> | null
  #lossScale: LossScaleState | null

  constructor(model: Model, trainable: readonly string[], options: StepOptions) {
    this.#model = model
    this.#options = options
    this.#trainable = trainable
    this.#lossScale = options.lossScaling ? firstLossScale(options.lossScaling) : null
    const zeroLike = (path: string, suffix: string) =>
      new Variable(
        model.parameter(path).shape,
        'f32',
        { kind: 'zeros' },
        { engine: model.engine, name: `${path}.${suffix}` },
      )
    for (const path of trainable) this.#moments.set(path, { m: zeroLike(path, 'm'), v: zeroLike(path, 'v') })
    if (options.gradAccumSteps === 1) {
      const { loss, gradients } = this.#lossAndGradients()
      this.#fused = compile({ outputs: { loss, ...norms(gradients) }, updates: this.#updates(gradients) })
      this.#accumulate = null
      this.#apply = null
      return
    }
    for (const path of trainable) this.#accumulators.set(path, zeroLike(path, 'grad'))
    const accumulators = trainable.map(path => this.#accumulators.get(path)!)
    const { loss, gradients } = this.#lossAndGradients()
    const share = gradients.map(g => mul(g, 1 / options.gradAccumSteps))
    const totals = accumulators.map(a => a.value)
    this.#fused = null
    // 0 for the first micro-batch of a step, so that nothing is left of the step before; 1 for the others
    const keep = input('keep', [])
    this.#accumulate = compile({
      outputs: { loss },
      updates: accumulators.map((a, i) => [a, add(this.#kept(a.value, keep), share[i]!)]),
    })
    this.#apply = compile({ outputs: norms(totals), updates: this.#updates(totals) })
  }

  /** The programs, for estimating memory. */
  get programs(): Program[] {
    return [this.#fused, this.#accumulate, this.#apply].filter(program => program instanceof Program)
  }

  /** Every optimizer variable by name (`<path>.m`, `<path>.v`), for checkpoints. */
  get state(): Map<string, Variable> {
    return new Map(
      [...this.#moments].flatMap(([path, { m, v }]) => [[`${path}.m`, m] as const, [`${path}.v`, v] as const]),
    )
  }

  /** Where loss scaling stands, for checkpoints; null without it. */
  get lossScale(): LossScaleState | null {
    return this.#lossScale
  }

  /** Goes on from the state of a checkpoint. @throws LabError RESUME when only one of the two has loss scaling */
  restoreLossScale(state: LossScaleState | null): void {
    if ((state === null) !== (this.#lossScale === null)) {
      throw new LabError(
        'RESUME',
        `the checkpoint was made ${state ? 'with' : 'without'} loss scaling, the run goes on ${state ? 'without' : 'with'} it; use the precision that it was started with`,
      )
    }
    this.#lossScale = state
  }

  /** Numbers held on the device besides the weights: moments and accumulators. */
  get stateElements(): number {
    const elements = (path: string) => sizeOf(this.#model.parameter(path).shape)
    const copies = this.#options.gradAccumSteps === 1 ? 2 : 3
    return copies * this.#trainable.reduce((n, path) => n + elements(path), 0)
  }

  /** Compiles the programs now. */
  async load(): Promise<void> {
    for (const program of this.programs) await program.load()
  }

  /**
   * Runs one optimizer step.
   * @param batches exactly `gradAccumSteps` micro-batches
   * @param stepNumber 1 for the first step: with steps that loss scaling skipped not counted, the t of AdamW's bias correction
   */
  async run(batches: readonly MicroBatch[], lr: number, stepNumber: number, signal?: AbortSignal): Promise<StepResult> {
    const [beta1, beta2] = this.#options.optimizer.betas
    const t = stepNumber - (this.#lossScale?.skippedSteps ?? 0)
    const scalars = { lr, correction1: 1 - beta1 ** t, correction2: 1 - beta2 ** t }
    const scale = this.#scaleInputs()
    const options = signal ? { signal } : {}
    if (this.#fused) {
      const { inputIds, targets } = batches[0]!
      const { loss, ...norms } = await this.#fused.run({ inputIds, targets, ...scalars, ...scale }, options)
      return this.#finish(loss[0]!, norms)
    }
    const losses: HostArray[] = []
    for (const [i, { inputIds, targets }] of batches.entries())
      losses.push((await this.#accumulate!.run({ inputIds, targets, ...scale, keep: i === 0 ? 0 : 1 }, options)).loss)
    // without the signal: from here on the step either happens as a whole or, aborted before, not at all
    const norms = await this.#apply!.run(scalars)
    return this.#finish(losses.reduce((total, loss) => total + loss[0]!, 0) / batches.length, norms)
  }

  /** Frees optimizer state and lets the programs go; the model stays. */
  dispose(): void {
    for (const program of this.programs) program.dispose()
    for (const { m, v } of this.#moments.values()) {
      m.dispose()
      v.dispose()
    }
    for (const accumulator of this.#accumulators.values()) accumulator.dispose()
  }

  /** The result of a step; with loss scaling, the scale of the next one. */
  #finish(lossNats: number, { gradNorm: norm, gradNorms }: Record<NormOutput, HostArray>): StepResult {
    const gradNorm = norm[0]!
    const lossScale = this.#lossScale?.scale ?? null
    const isSkipped = lossScale !== null && !Number.isFinite(gradNorm)
    if (this.#lossScale) {
      const scaling = this.#options.lossScaling!
      this.#lossScale = nextLossScale(this.#lossScale, { isSkipped, scaling })
    }
    return { lossNats, gradNorm, gradNorms: this.#byPath(gradNorms), lossScale, isSkipped }
  }

  #scaleInputs(): Record<string, number> {
    if (!this.#lossScale) return {}
    const { scale } = this.#lossScale
    return { lossScale: scale, inverseLossScale: 1 / scale }
  }

  #byPath(norms: HostArray): Map<string, number> {
    return new Map(this.#trainable.map((path, i) => [path, norms[i]!]))
  }

  #lossAndGradients(): { loss: Tensor; gradients: Tensor[] } {
    const { microBatch, seqLen, rematBlocks } = this.#options
    const loss = meanLoss(this.#model, microBatch, seqLen, rematBlocks)
    const weights = this.#trainable.map(this.#model.weights)
    if (!this.#lossScale) return { loss, gradients: grad(loss, weights) }
    // two inputs, because not every device divides exactly
    const [scale, inverse] = [input('lossScale', []), input('inverseLossScale', [])]
    return { loss, gradients: grad(mul(loss, scale), weights).map(g => mul(g, inverse)) }
  }

  /** What is left of an accumulator: all of it where `keep` is 1, nothing where it is 0. */
  #kept(total: Tensor, keep: Tensor): Tensor {
    // after an overflow it holds infinities, and 0 times those is not 0
    return this.#lossScale ? where(greater(keep, 0), total, 0) : mul(total, keep)
  }

  #updates(gradients: readonly Tensor[]): (readonly [Variable, Tensor])[] {
    const { betas, eps, weightDecay, clipNorm } = this.#options.optimizer
    const norm = globalNorm(gradients)
    const scale = clipNorm === null ? null : minimum(div(clipNorm, add(norm, 1e-6)), 1)
    const [lr, correction1, correction2] = ['lr', 'correction1', 'correction2'].map(name => input(name, []))
    const isSound = this.#lossScale ? lessOrEqual(norm, MAX_F32) : null
    const update = (variable: Variable, next: Tensor) =>
      [variable, isSound ? where(isSound, next, variable.value) : next] as const
    return this.#trainable.flatMap((path, i) => {
      const parameter = this.#model.parameter(path)
      const { m, v } = this.#moments.get(path)!
      const gradient = scale ? mul(gradients[i]!, scale) : gradients[i]!
      const [p1, m1, v1] = adamw(
        {
          parameter: parameter.value,
          m: m.value,
          v: v.value,
          gradient,
          lr: lr!,
          correction1: correction1!,
          correction2: correction2!,
        },
        { beta1: betas[0], beta2: betas[1], eps, weightDecay },
      )
      return [update(parameter, p1), update(m, m1), update(v, v1)]
    })
  }
}

/** Mean nats per token of predicting `targets` from `inputIds`, both program inputs of shape (B, T) i32. */
export function meanLoss(model: Model, microBatch: number, seqLen: number, rematBlocks: boolean): Tensor {
  const ids = input('inputIds', [microBatch, seqLen], 'i32')
  const targets = reshape(input('targets', [microBatch, seqLen], 'i32'), [microBatch * seqLen])
  const { hidden } = forward(model.config, model.weights, ids, { rematBlocks })
  return mean(linearCrossEntropy(hidden, headWeight(model.config, model.weights), targets))
}

function squares(gradients: readonly Tensor[]): Tensor[] {
  return gradients.map(g => sum(mul(g, g)))
}

/** L2 norm of all gradients taken as one vector. */
export function globalNorm(gradients: readonly Tensor[]): Tensor {
  return sqrt(squares(gradients).reduce((a, b) => add(a, b)))
}

/** The global norm, and that of each gradient; the sums of squares are the same nodes of the compiled graph. */
function norms(gradients: readonly Tensor[]): Record<NormOutput, Tensor> {
  const each = squares(gradients).map(square => reshape(square, [1]))
  return { gradNorm: globalNorm(gradients), gradNorms: sqrt(concat(each, 0)) }
}
