/**
 * Trains the vocabulary of the embedded demo:
 *   npx tsx datasets/demo/train-tokenizer.ts --data 'general/train-*.jsonl.gz' --vocab 4096 --out datasets/demo/base
 * Writes `tokenizer.json` and `tokenizer_config.json`.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { gunzipSync } from 'node:zlib'
import { trainBpe } from '../../src/tokenizer/train-bpe.js'
import { writeFileAtomic } from '../../src/util/atomic-file.js'

const specialTokens = ['<|begin_of_text|>', '<|end_of_text|>']

/** The files that a pattern with `*` in its last part names, in order of name. */
function matchFiles(pattern: string): string[] {
  const parts = basename(pattern).split('*')
  const escaped = parts.map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&')).join('.*')
  const matcher = new RegExp(`^${escaped}$`)
  const files = readdirSync(dirname(pattern)).filter(name => matcher.test(name))
  if (files.length === 0) throw new Error(`--data: no file matches ${pattern}`)
  return files.sort().map(name => join(dirname(pattern), name))
}

/** The `text` of every line of jsonl or jsonl.gz files. */
function* readTexts(files: string[]): Generator<string> {
  for (const file of files) {
    const bytes = readFileSync(file)
    const content = (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
    for (const line of content.split('\n')) if (line !== '') yield (JSON.parse(line) as { text: string }).text
  }
}

const { values } = parseArgs({
  options: {
    data: { type: 'string', multiple: true },
    vocab: { type: 'string', default: '4096' },
    out: { type: 'string' },
  },
})
if (!values.data || !values.out) throw new Error('usage: train-tokenizer.ts --data GLOB... [--vocab 4096] --out FOLDER')
const started = performance.now()
const tokenizer = trainBpe(readTexts(values.data.flatMap(matchFiles)), {
  vocabSize: Number(values.vocab),
  specialTokens,
  minFrequency: 2,
})
const config = {
  tokenizer_class: 'PreTrainedTokenizerFast',
  bos_token: specialTokens[0],
  eos_token: specialTokens[1],
  clean_up_tokenization_spaces: false,
  model_max_length: 1024,
}
writeFileAtomic(join(values.out, 'tokenizer.json'), `${JSON.stringify(tokenizer, null, 1)}\n`)
writeFileAtomic(join(values.out, 'tokenizer_config.json'), `${JSON.stringify(config, null, 2)}\n`)
console.log(
  `${Object.keys(tokenizer.model.vocab).length} tokens in ${((performance.now() - started) / 1000).toFixed(1)} s`,
)
