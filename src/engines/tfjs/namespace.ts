/**
 * tfjs as the lab's own types know it. tfjs-core declares itself in 300 files, which a notebook would read before its first
 * cell; who wants them writes `const tf = await loadTf<typeof import('@tensorflow/tfjs-core')>()`.
 */
export interface TfNamespace {
  /** Version of tfjs-core. */
  readonly version_core: string
  /** Live tensors and their bytes. */
  memory(): { numTensors: number; numBytes: number }
  getBackend(): string
  setBackend(name: string): Promise<boolean>
  /** Every other op and function. */
  // biome-ignore lint/suspicious/noExplicitAny: the precise types are those of tfjs, asked for by name
  readonly [name: string]: any
}

/** A tensor of tfjs, of an open type for the same reason: `toTf<tf.Tensor>(x)` has the precise one. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type OpenTfTensor = any

/** What is read of a tensor, so that those of any copy of tfjs fit. */
export interface TfTensorLike {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly isDisposed: boolean
  dataSync(): unknown
}
