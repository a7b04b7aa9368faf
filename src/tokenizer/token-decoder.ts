import { byteAlphabet } from './byte-level.js'
import type { ComponentJson } from './tokenizer-json.js'

/** A step of decoding: a list of tokens to a list of pieces of text. */
type Step = (tokens: string[]) => string[]

const byteOf = new Map(byteAlphabet.map((character, byte) => [character, byte]))

// no decoder may swallow a byte order mark
const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })
const strictUtf8 = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true })

/** The decoders that {@link buildDecoder} knows. */
export const knownDecoders = ['ByteLevel', 'ByteFallback', 'Fuse', 'Metaspace', 'Replace', 'Sequence', 'Strip'] as const

/**
 * A `decoder` of `tokenizer.json` as a function from tokens to text, by the rules of Hugging Face tokenizers. Of the types in
 * {@link knownDecoders} only; others must have been refused before.
 */
export function buildDecoder(decoder: ComponentJson | null | undefined): (tokens: string[]) => string {
  if (!decoder) return tokens => tokens.join(' ')
  const step = buildStep(decoder)
  return tokens => step(tokens).join('')
}

function buildStep(decoder: ComponentJson): Step {
  switch (decoder.type as (typeof knownDecoders)[number]) {
    case 'ByteLevel':
      return decodeByteLevel
    case 'ByteFallback':
      return decodeByteFallback
    case 'Fuse':
      return tokens => [tokens.join('')]
    case 'Metaspace':
      return metaspace(String(decoder['replacement'] ?? '\u2581'), decoder['prepend_scheme'] !== 'never')
    case 'Replace': {
      const { String: from } = decoder['pattern'] as { String: string }
      return tokens => tokens.map(token => token.replaceAll(from, String(decoder['content'])))
    }
    case 'Sequence': {
      const steps = (decoder['decoders'] as ComponentJson[]).map(buildStep)
      return tokens => steps.reduce((pieces, step) => step(pieces), tokens)
    }
    case 'Strip':
      return strip(String(decoder['content']), Number(decoder['start']), Number(decoder['stop']))
  }
}

/** Alphabet characters to bytes to text; a token with a character outside the alphabet (an added one) is taken as it is. */
function decodeByteLevel(tokens: string[]): string[] {
  const bytes: number[] = []
  for (const token of tokens) {
    const own = Array.from(token, character => byteOf.get(character))
    if (own.includes(undefined)) for (const byte of new TextEncoder().encode(token)) bytes.push(byte)
    else for (const byte of own) bytes.push(byte!)
  }
  return [utf8.decode(Uint8Array.from(bytes))]
}

/** Runs of `<0xNN>` become text; a run that is not UTF-8 becomes one U+FFFD a byte. */
function decodeByteFallback(tokens: string[]): string[] {
  const pieces: string[] = []
  let run: number[] = []
  const flush = () => {
    if (run.length > 0) pieces.push(textOfRun(run))
    run = []
  }
  for (const token of tokens) {
    const match = /^<0x([0-9A-Fa-f]{2})>$/.exec(token)
    if (match) run.push(Number.parseInt(match[1]!, 16))
    else {
      flush()
      pieces.push(token)
    }
  }
  flush()
  return pieces
}

function textOfRun(bytes: number[]): string {
  try {
    return strictUtf8.decode(Uint8Array.from(bytes))
  } catch {
    // not UTF-8: the rule of Hugging Face tokenizers is one replacement character for each byte of the whole run
    return '\ufffd'.repeat(bytes.length)
  }
}

function metaspace(replacement: string, dropFirst: boolean): Step {
  return tokens => tokens.map((token, i) => token.replaceAll(replacement, i === 0 && dropFirst ? '' : ' '))
}

function strip(content: string, start: number, stop: number): Step {
  return tokens =>
    tokens.map(token => {
      const characters = Array.from(token)
      let from = 0
      let to = characters.length
      while (from < Math.min(start, characters.length) && characters[from] === content) from++
      while (to > from && characters.length - to < stop && characters[to - 1] === content) to--
      return characters.slice(from, to).join('')
    })
}
