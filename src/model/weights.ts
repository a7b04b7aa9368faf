import type { Tensor } from '../tensor/graph.js'

/** The parameters of a forward pass: the value of each by its Hugging Face path, in any float dtype. */
export interface Weights {
  (path: string): Tensor
  /**
   * What is added to the linear layers (LoRA, a second expert). It travels with the values and not among the options of
   * the forward pass, so that no caller can compute the plain model by leaving it out.
   */
  readonly adapter?: Adapter
}

/** One linear layer as it is computed. N tokens. */
export interface LinearCall {
  /** The input `[N, in]`. */
  readonly x: Tensor
  /** x W^T + b, `[N, out]`: what the layer gives without the adapter. */
  readonly plain: Tensor
  readonly weights: Weights
}

/** Parameters beside those of the family that change what its linear layers compute, and can be folded into them. */
export interface Adapter {
  /** Shape of every parameter that it adds, by path: the path of the layer with another ending. */
  readonly shapes: ReadonlyMap<string, readonly number[]>
  /** The output of a linear layer, given by its path without `.weight`; `plain` itself where the layer is not adapted. */
  project(layer: string, call: LinearCall): Tensor
  /**
   * The weight or bias that alone does the work of the old one and the adapter: what a plain checkpoint stores. Null where
   * the adapter changes nothing.
   */
  merged(path: string, weights: Weights): Tensor | null
}
