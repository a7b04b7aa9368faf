/** A lowered program on tfjs: one kernel call after another, each value freed after its last use. */
import type { TensorSpec } from '../../tensor/graph.js'
import type { ProgramNode, ProgramSpec } from '../../tensor/lower.js'
import { formatShape } from '../../tensor/shape.js'
import { LabError, messageOf } from '../../util/errors.js'
import { tfOps } from './kernels.js'
import type { Tf, TfTensor } from './load.js'
import { tfBytes } from './transfer.js'

const constants: ReadonlySet<string> = new Set(['scalar', 'iota'])

/** Values whose tensor may be that of their operand: they take no memory of their own. */
const views: ReadonlySet<string> = new Set(['reshape', 'barrier'])

export interface TfProgram {
  readonly spec: ProgramSpec
  readonly steps: readonly ProgramNode[]
  /** For each step, the values that nothing reads after it. */
  readonly dying: readonly (readonly number[])[]
  /** Scalars and iotas: made once, owned by the program. */
  readonly constants: ReadonlyMap<number, TfTensor>
}

/**
 * Checks that the backend has every kernel, and makes the program's constants. The caller frees it with {@link disposeProgram}.
 * @throws LabError ENGINE naming the ops and kernels that the backend lacks
 */
export function compileProgram(tf: Tf, backend: string, spec: ProgramSpec): TfProgram {
  refuseMissing(tf, backend, spec)
  const made = new Map<number, TfTensor>()
  for (const node of spec.nodes) {
    if (constants.has(node.op)) made.set(node.outputs[0]!, runNode(tf, spec, node, new Map()))
  }
  const steps = spec.nodes.filter(({ op }) => !constants.has(op))
  return { spec, steps, dying: dyingValues(spec, steps), constants: made }
}

export function disposeProgram(program: TfProgram): void {
  for (const tensor of program.constants.values()) tensor.dispose()
}

function refuseMissing(tf: Tf, backend: string, { nodes }: ProgramSpec): void {
  const lacking = [...new Set(nodes.map(({ op }) => op))].flatMap(op => {
    const known = tfOps[op]
    if (!known) return [`${op} (no kernel of tfjs does it)`]
    const missing = missingKernels(tf, backend, known.kernels)
    return missing.length > 0 ? [`${op} (${missing.join(', ')})`] : []
  })
  if (lacking.length > 0) {
    throw new LabError(
      'ENGINE',
      `tfjs: the backend "${backend}" lacks kernels for ${lacking.join(', ')}; use another backend, such as tfjs:cpu`,
    )
  }
}

/** Those of the kernels that the backend does not have. */
export function missingKernels(tf: Tf, backend: string, kernels: readonly string[]): string[] {
  return kernels.filter(name => !tf.getKernel(name, backend))
}

/** For each step, the values made before or by it that neither a later step nor a result needs. */
function dyingValues({ outputs, updates }: ProgramSpec, steps: readonly ProgramNode[]): number[][] {
  const alive = new Set([...outputs, ...updates.map(({ value }) => value)])
  const dying: number[][] = []
  for (let i = steps.length - 1; i >= 0; i--) {
    const touched = new Set([...steps[i]!.outputs, ...steps[i]!.inputs])
    dying[i] = [...touched].filter(value => !alive.has(value))
    for (const value of touched) alive.add(value)
  }
  return dying
}

/**
 * Runs the program, one step a `next()`, so that the caller may attend to other things in between; returns its outputs
 * and then the new values of its updates, which the caller owns. `given` holds inputs and variables, borrowed.
 * Ended early, it leaves nothing behind.
 */
export function* evaluate(
  tf: Tf,
  { spec, steps, dying, constants: made }: TfProgram,
  given: ReadonlyMap<number, TfTensor>,
): Generator<void, TfTensor[], void> {
  const own = new Map<number, TfTensor>()
  const values = { get: (value: number) => own.get(value) ?? given.get(value) ?? made.get(value) }
  try {
    for (const [i, node] of steps.entries()) {
      own.set(node.outputs[0]!, runNode(tf, spec, node, values))
      for (const value of dying[i]!) {
        own.get(value)?.dispose()
        own.delete(value)
      }
      yield
    }
    const results = [...spec.outputs, ...spec.updates.map(({ value }) => value)]
    return results.map(value => tf.keep(tf.clone(values.get(value)!)))
  } finally {
    for (const tensor of own.values()) tensor.dispose()
  }
}

function runNode(
  tf: Tf,
  { values: specs }: ProgramSpec,
  { op, attrs, inputs, outputs }: ProgramNode,
  values: { get(value: number): TfTensor | undefined },
): TfTensor {
  const result = specs[outputs[0]!]!
  const call = { tf, inputs: inputs.map(i => values.get(i)!), attrs, specs: inputs.map(i => specs[i]!), result }
  try {
    return tf.keep(tf.tidy(() => tfOps[op]!.run(call)))
  } catch (error) {
    throw kernelError(error, op, call.specs, result, tf.memory().numBytes)
  }
}

const outOfMemory = /out of memory|OOM|ResourceExhausted|allocation failed|bad_alloc|failed to allocate/i

function kernelError(
  error: unknown,
  op: string,
  inputs: readonly TensorSpec[],
  result: TensorSpec,
  used: number,
): Error {
  if (error instanceof LabError) return error
  const written = (spec: TensorSpec) => `${spec.dtype} ${formatShape(spec.shape)}`
  const what = `tfjs: ${op} of ${inputs.map(written).join(' and ')} to ${written(result)}`
  const message = messageOf(error)
  if (!outOfMemory.test(message)) return new LabError('ENGINE', `${what}: ${message}`, { cause: error })
  return new LabError(
    'OUT_OF_MEMORY',
    `${what}: no room for ${tfBytes(result)} bytes beside the ${used} in use (${message}); use a smaller batch, rows or model`,
    { cause: error },
  )
}

/** Bytes of the values that are alive together at the worst moment of a run, inputs included and variables not. */
export function peakBytes(spec: ProgramSpec): number {
  const steps = spec.nodes.filter(({ op }) => !constants.has(op))
  const dying = dyingValues(spec, steps)
  const isFree = new Set(spec.variables)
  for (const { op, outputs } of spec.nodes) if (constants.has(op) || views.has(op)) isFree.add(outputs[0]!)
  const bytes = (value: number) => (isFree.has(value) ? 0 : tfBytes(spec.values[value]!))
  const inputs = new Set(spec.inputs.map(({ value }) => value))
  let live = [...inputs].reduce((n, value) => n + bytes(value), 0)
  let peak = live
  steps.forEach((node, i) => {
    live += bytes(node.outputs[0]!)
    peak = Math.max(peak, live)
    for (const value of dying[i]!) if (!inputs.has(value)) live -= bytes(value)
  })
  return peak
}
