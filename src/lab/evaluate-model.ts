import { loadModel } from '../checkpoint/load-model.js'
import { hubFiles } from '../data/hub-files.js'
import { openProbe, type Probe } from '../data/probe.js'
import { bitsPerByte, Evaluator, meanNats } from '../forgetting/evaluator.js'
import type { Model } from '../model/model.js'
import type { Tensor } from '../tensor/graph.js'
import { openTokenizer, type Tokenizer } from '../tokenizer/tokenizer.js'
import { LabError } from '../util/errors.js'
import { formatCount, formatTable } from '../util/format.js'
import { createEngine, type EngineOptions } from './engines.js'
import { openDataset } from './open-dataset.js'
import { resolveModelDir } from './resolve-model.js'

/** A held-out set under a name: a manifest, a data file or a glob. */
export interface ProbePath {
  name: string
  path: string
  /** Only the beginnings of documents (default: all of them). */
  maxDocumentBytes?: number
}

export interface EvaluateOptions extends EngineOptions {
  /** Directory or `hf://` address. */
  model: string
  /** What to score. */
  probes: readonly ProbePath[]
  /** Scored tokens a probe at most (default: all). */
  maxTokens?: number
  /** Tokens a row (default 256, or the model's context when shorter; never more than that). */
  seqLen?: number
  device?: string
  signal?: AbortSignal
  /** Rows done and rows in all, over all probes. */
  onProgress?: (done: number, total: number) => void
}

export interface Evaluation {
  probe: string
  lossNats: number
  bitsPerByte: number
  tokensScored: number
  bytesScored: number
  documents: number
}

/**
 * Loss of a model on held-out sets: every token of every document once, each document on its own behind BOS.
 * @throws LabError CONTEXT for rows longer than the model's context, and those of models, datasets and probes
 */
export async function evaluateModel({ model: where, device, ...options }: EvaluateOptions): Promise<Evaluation[]> {
  const dir = await resolveModelDir(where, options.signal ? { signal: options.signal } : {})
  const tokenizer = await openTokenizer(dir)
  const engine = createEngine(device, options)
  try {
    return await scoreProbes({ ...options, model: await loadModel(dir, engine), tokenizer })
  } finally {
    await engine.dispose()
  }
}

export interface ScoreProbesOptions extends Omit<EvaluateOptions, 'model' | 'device'> {
  model: Model
  tokenizer: Tokenizer
  /** Gates of blocks that are not fully on (default: all on). */
  gates?: ReadonlyMap<number, Tensor>
}

/** As {@link evaluateModel}, of a model that is loaded. */
export async function scoreProbes(options: ScoreProbesOptions): Promise<Evaluation[]> {
  const { model, tokenizer, probes: wanted, maxTokens = Number.MAX_SAFE_INTEGER, signal, onProgress, gates } = options
  const { maxPositionEmbeddings } = model.config
  const seqLen = options.seqLen ?? Math.min(256, maxPositionEmbeddings)
  if (seqLen > maxPositionEmbeddings)
    throw new LabError(
      'CONTEXT',
      `rows of ${seqLen} tokens (seqLen) are longer than the model's ${maxPositionEmbeddings} positions (max_position_embeddings)`,
    )
  const probes = await openProbes(wanted, { tokenizer, maxTokens, seqLen, signal })
  const total = probes.reduce((n, probe) => n + probe.rows.length, 0)
  const evaluator = new Evaluator(model, { seqLen, ...(gates ? { gates } : {}) })
  const results: Evaluation[] = []
  let before = 0
  try {
    for (const probe of probes) {
      const onRows = (done: number) => onProgress?.(before + done, total)
      const scores = await evaluator.score(probe, signal ? { signal, onRows } : { onRows })
      before += probe.rows.length
      const { name, tokensScored, bytesScored, documents } = probe
      const losses = { lossNats: meanNats(scores), bitsPerByte: bitsPerByte(scores, bytesScored) }
      results.push({ probe: name, ...losses, tokensScored, bytesScored, documents })
    }
    return results
  } finally {
    evaluator.dispose()
  }
}

/** Evaluations as aligned plain text. */
export function evaluationText(evaluations: readonly Evaluation[]): string {
  const rows = evaluations.map(({ probe, bitsPerByte, lossNats, tokensScored }) => [
    probe,
    bitsPerByte.toFixed(4),
    lossNats.toFixed(4),
    formatCount(tokensScored),
  ])
  return formatTable(['probe', 'bits/byte', 'nats/token', 'tokens'], rows)
}

/** Opens held-out sets by their paths. @throws the signal's reason when aborted */
export async function openProbes(
  wanted: readonly ProbePath[],
  options: { tokenizer: Tokenizer; maxTokens: number; seqLen: number; signal?: AbortSignal | undefined },
): Promise<Probe[]> {
  const { tokenizer, maxTokens, seqLen, signal } = options
  const { bosTokenId, eosTokenId } = tokenizer
  const remote = hubFiles(signal ? { signal } : {})
  const tokenize = async (texts: string[]) => {
    signal?.throwIfAborted()
    return tokenizer.encodeBatch(texts)
  }
  const open = async ({ path, ...probe }: ProbePath) => {
    const manifest = await openDataset(path, { name: probe.name, remote })
    return openProbe({ ...probe, manifest, maxTokens, seqLen, tokenize, bosTokenId, eosTokenId })
  }
  try {
    return await Promise.all(wanted.map(open))
  } catch (error) {
    // a read that was broken off says so in its own words
    signal?.throwIfAborted()
    throw error
  }
}
