import { loadModel } from '../checkpoint/load-model.js'
import { openProbe } from '../data/probe.js'
import { bitsPerByte, Evaluator, meanNats } from '../forgetting/evaluator.js'
import { openTokenizer } from '../tokenizer/tokenizer.js'
import { createEngine, type EngineOptions } from './engines.js'
import { openDataset } from './open-dataset.js'
import { resolveModelDir } from './resolve-model.js'

export interface EvaluateOptions extends EngineOptions {
  /** Directory or `hf://` address. */
  model: string
  /** What to score: a manifest, a data file or a glob, each under a name. */
  probes: readonly { name: string; path: string }[]
  /** Scored tokens a probe at most (default: all). */
  maxTokens?: number
  /** Tokens a row (default 256, or the model's context when shorter). */
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

/** Loss of a model on held-out sets: every token of every document once, each document on its own behind BOS. */
export async function evaluateModel(options: EvaluateOptions): Promise<Evaluation[]> {
  const { model: where, probes: wanted, maxTokens = Number.MAX_SAFE_INTEGER, device, signal, onProgress } = options
  const dir = await resolveModelDir(where, signal ? { signal } : {})
  const tokenizer = await openTokenizer(dir)
  const engine = createEngine(device, options)
  try {
    const model = await loadModel(dir, engine)
    const seqLen = options.seqLen ?? Math.min(256, model.config.maxPositionEmbeddings)
    const { bosTokenId, eosTokenId } = tokenizer
    const tokenize = (texts: string[]) => tokenizer.encodeBatch(texts)
    const open = async ({ name, path }: { name: string; path: string }) =>
      openProbe({
        name,
        manifest: await openDataset(path, { name }),
        maxTokens,
        seqLen,
        tokenize,
        bosTokenId,
        eosTokenId,
      })
    const probes = await Promise.all(wanted.map(open))
    const total = probes.reduce((n, probe) => n + probe.rows.length, 0)
    const evaluator = new Evaluator(model, { seqLen })
    const results: Evaluation[] = []
    let before = 0
    for (const probe of probes) {
      const onRows = (done: number) => onProgress?.(before + done, total)
      const scores = await evaluator.score(probe, signal ? { signal, onRows } : { onRows })
      before += probe.rows.length
      const { name, tokensScored, bytesScored, documents } = probe
      results.push({
        probe: name,
        lossNats: meanNats(scores),
        bitsPerByte: bitsPerByte(scores, bytesScored),
        tokensScored,
        bytesScored,
        documents,
      })
    }
    return results
  } finally {
    await engine.dispose()
  }
}
