import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { TokenizerJson } from '../../src/tokenizer/tokenizer-json.js'
import { trainBpe } from '../../src/tokenizer/train-bpe.js'

export const documents = [
  "It's the first of the days; they'll see the sea, and the sea sees them.",
  'The thin thief thanked the other thinkers in 1984 and 1985.\n\nThen: the rest, the rest.',
  'caf\u00e9 caf\u00e9s na\u00efve \u65e5\u672c\u8a9e \u65e5\u672c \ud83d\ude00\ud83d\ude00',
]

/** A byte-level vocabulary of 290 tokens. */
export function tinyTokenizer(): TokenizerJson {
  return trainBpe(documents, { vocabSize: 290 })
}

/** A SentencePiece-like tokenizer.json: spaces as U+2581, byte fallback, unknown token. */
export function tinySentencePieceJson(): TokenizerJson {
  const pieces = ['<unk>', '<s>', '</s>']
  for (let byte = 0; byte < 256; byte++) pieces.push(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
  pieces.push('\u2581', 'a', 'b', 'c', '\u00e9', '\u2581a', 'bc', '\u2581abc', '\u2581\u2581')
  const special = (id: number) => ({
    id,
    content: pieces[id]!,
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })
  return {
    version: '1.0',
    added_tokens: [special(0), special(1), special(2)],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '\u2581' },
        { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' },
      ],
    },
    pre_tokenizer: null,
    post_processor: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])),
      merges: ['\u2581 a', 'b c', '\u2581a bc', '\u2581 \u2581'],
    },
  }
}

/** A directory with these files (objects are written as JSON), removed when the test is over. */
export function directoryOf(files: Record<string, unknown>): string {
  const directory = mkdtempSync(join(tmpdir(), 'llama-pro-tokenizer-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  for (const [name, content] of Object.entries(files))
    writeFileSync(
      join(directory, name),
      typeof content === 'string' || content instanceof Uint8Array ? content : JSON.stringify(content),
    )
  return directory
}
