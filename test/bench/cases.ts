/** Shapes of the training-step benchmark; the peers get them as arguments. */
export interface BenchCase {
  readonly batch: number
  readonly seqLen: number
  readonly hiddenSize: number
  readonly heads: number
  readonly intermediateSize: number
  readonly vocabSize: number
  readonly blocks: number
  /** Blocks that are trained; null = every parameter. */
  readonly trained: readonly number[] | null
}

const small = {
  batch: 2,
  seqLen: 256,
  hiddenSize: 512,
  heads: 8,
  intermediateSize: 1376,
  vocabSize: 8192,
  blocks: 10,
} as const

export const cases = {
  /** Ten blocks, two of them new. */
  a: { ...small, trained: [4, 9] },
  /** Sixteen blocks, four of them new, a vocabulary as of Llama 2. */
  b: {
    batch: 2,
    seqLen: 512,
    hiddenSize: 768,
    heads: 12,
    intermediateSize: 2048,
    vocabSize: 32000,
    blocks: 16,
    trained: [3, 7, 11, 15],
  },
  /** Full fine-tuning of (a). */
  c: { ...small, trained: null },
} satisfies Record<string, BenchCase>

export type CaseName = keyof typeof cases

/** Shapes for a GPU; `tiny` shows on any machine that both sides run. */
export const gpuCases = {
  b: cases.b,
  /** Llama 2 7B expanded from 32 to 40 blocks, one new after every four, as in the paper. */
  '7B': {
    batch: 1,
    seqLen: 4096,
    hiddenSize: 4096,
    heads: 32,
    intermediateSize: 11008,
    vocabSize: 32000,
    blocks: 40,
    trained: [4, 9, 14, 19, 24, 29, 34, 39],
  },
  tiny: {
    batch: 2,
    seqLen: 32,
    hiddenSize: 64,
    heads: 4,
    intermediateSize: 96,
    vocabSize: 256,
    blocks: 5,
    trained: [2, 4],
  },
} satisfies Record<string, BenchCase>

/**
 * Floating-point operations of a step that this training needs: forward, gradients of activations down to the lowest trained
 * block, gradients of trained matrices; attention's lower triangle only; 2 for a multiplication with its addition.
 */
export function stepFlops({
  batch,
  seqLen,
  hiddenSize,
  intermediateSize,
  vocabSize,
  blocks,
  trained,
}: BenchCase): number {
  const block = 4 * hiddenSize ** 2 + 3 * hiddenSize * intermediateSize
  const head = vocabSize * hiddenSize
  const above = blocks - Math.min(...(trained ?? [0]))
  const learning = trained ? trained.length * block : blocks * block + head
  const products = blocks * block + head + (above * block + head) + learning
  // scores and their use: T/2 keys a query on average, once forward and twice backward
  const attention = seqLen * hiddenSize * (blocks + 2 * above)
  return 2 * batch * seqLen * (products + attention)
}
