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
