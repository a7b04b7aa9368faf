/** Tensors between the lab and tfjs, so that `tf.*` code can stand beside ours: f32 = float32, i32 = int32, bool = bool, shapes kept. */
import type { DType, HostArray } from '../../tensor/dtype.js'
import type { Engine } from '../../tensor/engine.js'
import type { Tensor } from '../../tensor/graph.js'
import { fromHost } from '../../tensor/leaf.js'
import { lower } from '../../tensor/lower.js'
import { realize } from '../../tensor/program.js'
import { Variable } from '../../tensor/variable.js'
import { LabError } from '../../util/errors.js'
import { nativeOps } from './kernels.js'
import { startBackend, type Tf, type TfTensor, tfjsCore, tfjsNode } from './load.js'
import type { OpenTfTensor, TfNamespace, TfTensorLike } from './namespace.js'
import { compileProgram, disposeProgram, evaluate } from './program.js'
import { tfDtype, upload } from './transfer.js'

export interface LoadTfOptions {
  /** What tfjs computes on from now on: `wasm` (default), `cpu`, `tensorflow` (needs @tensorflow/tfjs-node-gpu), or one that you have registered. */
  backend?: string
}

/**
 * The namespace of tfjs: `const tf = await loadTf()`. Loaded at the first call, not with the library. It holds the ops of
 * tfjs-core 4.22.0, without layers and without tfjs's own gradients; for those install @tensorflow/tfjs, which shares
 * its backends and tensors with this one.
 * @throws LabError DEVICE for a backend that is unknown or does not start, PACKAGE_MISSING for `tensorflow` without its package
 */
export async function loadTf<T = TfNamespace>({ backend = 'wasm' }: LoadTfOptions = {}): Promise<T> {
  const tf = backend === 'tensorflow' ? tfjsNode() : tfjsCore()
  await startBackend(tf, backend)
  return tf as T
}

export interface ToTfOptions {
  /** The tfjs that makes the tensor (default: the lab's, which shares its backends with any other copy). */
  tf?: TfNamespace
}

/**
 * The tensor computed now, by tfjs's current backend, as one of tfjs's. The elements are copied; the caller disposes the
 * result, or the `tf.tidy` in which this is called. Blocks this thread until it is computed.
 * @throws LabError DTYPE for f16 and bf16, which tfjs does not have: `cast(x, 'f32')` says that they are to be widened;
 * ENGINE when the graph reads variables (weights), which live elsewhere: `await toTfAsync(x)`; INPUT when it has placeholders
 */
export function toTf<T = OpenTfTensor>(x: Tensor, options: ToTfOptions = {}): T {
  const tf = (options.tf ?? tfjsCore()) as Tf
  checkDtype(x)
  const { spec, data, variables } = lower([x], [], nativeOps)
  const [variable] = variables
  if (variable instanceof Variable) {
    throw new LabError(
      'ENGINE',
      `toTf: the graph reads ${variable.name}, which lives on the engine ${variable.engine.name}; use await toTfAsync(x)`,
    )
  }
  const given = new Map<number, TfTensor>()
  const program = compileProgram(tf, tf.getBackend(), spec)
  try {
    for (const { name, value } of spec.inputs) {
      const elements = data.get(value)
      if (!elements)
        throw new LabError('INPUT', `toTf: the graph has the placeholder "${name}", whose value is not known here`)
      given.set(value, upload(tf, elements, spec.values[value]!))
    }
    const work = evaluate(tf, program, given)
    let step = work.next()
    while (!step.done) step = work.next()
    const result = step.value[0]!
    // the engine's own tensors outlive every scope; the caller's belong to the caller's scope
    const handed = tf.clone(result)
    result.dispose()
    return handed as T
  } finally {
    for (const tensor of given.values()) tensor.dispose()
    disposeProgram(program)
  }
}

/**
 * {@link toTf} of any graph: computed by the engine that holds its variables (else the one given, else the default one),
 * then copied over.
 * @throws LabError DTYPE for f16 and bf16; INPUT for placeholders
 */
export async function toTfAsync<T = OpenTfTensor>(
  x: Tensor,
  { engine, ...options }: ToTfOptions & { engine?: Engine } = {},
): Promise<T> {
  checkDtype(x)
  const tf = (options.tf ?? tfjsCore()) as Tf
  const [data] = await realize([x], engine ? { engine } : {})
  return tf.tensor(data as Float32Array, [...x.shape], tfDtype(x.dtype)) as T
}

const dtypes: Record<string, DType> = { float32: 'f32', int32: 'i32', bool: 'bool' }

/**
 * A tfjs tensor as one of ours. The elements are copied at once; the tfjs tensor stays the caller's to dispose.
 * @throws LabError DTYPE for string and complex64; DISPOSED when it has been disposed
 */
export function fromTf(t: TfTensorLike): Tensor {
  const dtype = dtypes[t.dtype]
  if (!dtype) {
    throw new LabError('DTYPE', `fromTf: expected float32, int32 or bool, got ${t.dtype}; convert it in tfjs first`)
  }
  if (t.isDisposed) throw new LabError('DISPOSED', 'fromTf: the tfjs tensor has been disposed')
  return fromHost((t.dataSync() as HostArray).slice(), t.shape, dtype)
}

/**
 * What `work` makes in tfjs as one of our tensors; every tfjs tensor made on the way, the result too, is freed:
 * `const y = withTf(tf => tf.relu(toTf(x)))`. Errors are those of {@link fromTf}.
 */
export function withTf(work: (tf: TfNamespace) => TfTensorLike, { tf = tfjsCore() }: ToTfOptions = {}): Tensor {
  const made: Tensor[] = []
  tf['tidy'](() => {
    made.push(fromTf(work(tf)))
  })
  return made[0]!
}

/**
 * tfjs itself, loaded when it is first used: `fromTf(tf.relu(toTf(x)))` without a line of preparation. It computes on `cpu`
 * until {@link loadTf} has started another backend.
 */
export const tf: TfNamespace = new Proxy({} as TfNamespace, {
  get: (_, name) => Reflect.get(tfjsCore(), name),
  has: (_, name) => Reflect.has(tfjsCore(), name),
  ownKeys: () => Reflect.ownKeys(tfjsCore()).filter(name => name !== '__esModule'),
  getOwnPropertyDescriptor: (_, name) => ({
    value: Reflect.get(tfjsCore(), name) as unknown,
    enumerable: true,
    configurable: true,
  }),
})

function checkDtype({ dtype }: Tensor): void {
  if (dtype === 'f16' || dtype === 'bf16') {
    throw new LabError('DTYPE', `toTf: tfjs has no ${dtype}; widen it first: toTf(x.cast('f32'))`)
  }
}
