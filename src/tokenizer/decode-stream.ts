import type { DecodeOptions, Tokenizer } from './interface.js'

/** Ids in, finished text out; see {@link decodeStream}. */
export interface DecodeStream {
  /** Takes the next id and returns the text that it finished: often one word, empty in the middle of a character. */
  push(id: number): string
  /** Returns what is left at the end of the stream: replacement characters for a character that was never finished. */
  end(): string
}

/**
 * Decodes a growing list of ids piece by piece, for showing text while it is generated. The pieces joined are
 * `tokenizer.decode(all ids)`; no piece ends within a UTF-8 character, and a leading space that depends on the tokens before
 * (SentencePiece) is kept. Exception: bytes that are not UTF-8 behind a finished character of byte tokens turn, in a
 * whole decode, that character into replacement characters too; a stream has already given it out.
 */
export function decodeStream(tokenizer: Tokenizer, options: DecodeOptions = {}): DecodeStream {
  // the last ids given out (context for the decoder) and the ids whose text is not finished
  let context: number[] = []
  let pending: number[] = []

  const take = (finished: (text: string) => boolean): string => {
    const before = tokenizer.decode(context, options)
    const text = tokenizer.decode([...context, ...pending], options)
    if (text.length <= before.length || !finished(text)) return ''
    context = pending
    pending = []
    return text.slice(before.length)
  }
  return {
    push(id) {
      pending.push(id)
      // an unfinished character decodes to U+FFFD at the end; one that was meant waits for the next id or the end
      return take(text => !text.endsWith('\ufffd'))
    },
    end: () => take(() => true),
  }
}
