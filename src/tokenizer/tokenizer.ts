import { LabError, messageOf } from '../util/errors.js'
import { readDefinition, type TokenizerDefinition } from './definition.js'
import type { Tokenizer } from './interface.js'
import { openJsTokenizer } from './js-engine.js'
import { loadNative, openRustTokenizer } from './rust-engine.js'

export type { DecodeOptions, EncodeOptions, Tokenizer } from './interface.js'

/**
 * Opens a tokenizer.
 * @param path a model directory, a `tokenizer.json` or `tokenizer.json.gz`, or a bare `tokenizer.model` (SentencePiece BPE of
 * Llama 1, Llama 2 and Mistral v1; the tiktoken ranks of Llama 3), which is converted in memory
 * @param options `engine`: `auto` (default) takes the native engine where its binding loads and the pure JavaScript one
 * elsewhere; the `engine` property says which
 * @throws LabError `TOKENIZER_MISSING`, `TOKENIZER_INVALID`, `TOKENIZER_UNSUPPORTED`, `TOKENIZER_SPECIAL`, and
 * `TOKENIZER_ENGINE` when the engine asked for cannot be loaded or cannot express this tokenizer
 */
export async function openTokenizer(
  path: string,
  { engine = 'auto' }: { engine?: 'auto' | 'rust' | 'js' } = {},
): Promise<Tokenizer> {
  const definition = await readDefinition(path)
  if (engine === 'js') return openJsTokenizer(definition)
  if (engine === 'rust') return openRustTokenizer(await loadNative(), definition)
  return openAuto(definition)
}

async function openAuto(definition: TokenizerDefinition): Promise<Tokenizer> {
  let native: Awaited<ReturnType<typeof loadNative>>
  try {
    native = await loadNative()
  } catch (error) {
    try {
      return await openJsTokenizer(definition)
    } catch (second) {
      throw new LabError('TOKENIZER_ENGINE', `${messageOf(error)}; and the fallback: ${messageOf(second)}`, {
        cause: second,
      })
    }
  }
  return openRustTokenizer(native, definition)
}
