import { loadModel } from '../checkpoint/load-model.js'
import { type GenerateOptions, generate } from '../model/generate.js'
import type { Model } from '../model/model.js'
import { decodeStream } from '../tokenizer/decode-stream.js'
import { openTokenizer, type Tokenizer } from '../tokenizer/tokenizer.js'
import { createEngine, type EngineOptions } from './engines.js'
import { resolveModelDir } from './resolve-model.js'

export interface GenerateTextOptions extends Partial<GenerateOptions>, EngineOptions {
  /** Directory or `hf://` address. */
  model: string
  prompt: string
  device?: string
}

/** Continues a prompt; yields pieces of text as they are found, never half a character. */
export async function* generateText({
  model: where,
  prompt,
  device,
  maxNewTokens = 64,
  ...options
}: GenerateTextOptions): AsyncGenerator<string> {
  const dir = await resolveModelDir(where, options.signal ? { signal: options.signal } : {})
  const tokenizer = await openTokenizer(dir)
  const engine = createEngine(device, options)
  try {
    const model = await loadModel(dir, engine)
    yield* streamText(model, tokenizer, prompt, { ...options, maxNewTokens })
  } finally {
    await engine.dispose()
  }
}

/** Continues a prompt with a model that is loaded. */
export async function* streamText(
  model: Model,
  tokenizer: Tokenizer,
  prompt: string,
  options: GenerateOptions,
): AsyncGenerator<string> {
  const stream = decodeStream(tokenizer, { skipSpecialTokens: true })
  const ids = tokenizer.encode(prompt, { addSpecialTokens: true })
  for (const id of ids) stream.push(id)
  for await (const id of generate(model, ids, options)) {
    const text = stream.push(id)
    if (text !== '') yield text
  }
  const rest = stream.end()
  if (rest !== '') yield rest
}
