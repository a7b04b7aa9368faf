import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openTokenizer, type Tokenizer } from '../../src/tokenizer/tokenizer.js'
import { formatTable } from '../../src/util/format.js'
import { hasShared, shared } from '../support/shared.js'
import { validationTexts } from '../support/shared-texts.js'

interface ExpectedRecord {
  tokenizer: string
  local: string | null
  name: string
  text: string
  ids: number[]
  tokens: string[]
  decoded: string
}

interface Reference {
  snippets: { source: string; offset: number; text: string; ids: Record<string, number[]> }[]
  documents: {
    source: string
    text_sha256: string
    ids: Record<string, { count: number; sha256_of_uint32_le: string }>
  }[]
}

/** What is opened: the file as published or derived, and the bare `tokenizer.model` that the lab converts. */
const sources = [
  { name: 'gpt2', path: 'gpt2/tokenizer.json', form: 'tokenizer.json' },
  { name: 'llama2', path: 'llama2/tokenizer.json', form: 'tokenizer.json' },
  { name: 'llama2', path: 'llama2/tokenizer.model', form: 'tokenizer.model' },
  { name: 'llama3', path: 'llama3/tokenizer.json.gz', form: 'tokenizer.json' },
  { name: 'llama3', path: 'llama3/tokenizer.model', form: 'tokenizer.model' },
  { name: 'mistral-v1', path: 'mistral-v1/tokenizer.json.gz', form: 'tokenizer.json' },
  { name: 'mistral-v1', path: 'mistral-v1/tokenizer.model', form: 'tokenizer.model' },
]

const headless = 'llama3 without <|begin_of_text|>'

/** How many records of each kind a tokenizer has; a vector file that lost records must not pass. */
const expectedCounts: Record<string, [recorded: number, snippets: number, documents: number]> = {
  gpt2: [52, 180, 0],
  llama2: [37, 180, 12],
  llama3: [74, 180, 12],
  'mistral-v1': [0, 180, 12],
}

const table: string[][] = []

function sha256OfIds(ids: Int32Array): string {
  return createHash('sha256')
    .update(Buffer.from(Uint32Array.from(ids).buffer))
    .digest('hex')
}

/** `clean_up_tokenization_spaces` of transformers, which some of the recorded texts went through after decoding. */
function cleanUp(text: string): string {
  return text
    .replace(/ ([.?!,])/g, '$1')
    .replaceAll(" ' ", "'")
    .replace(/ (n't|'m|'s|'ve|'re)/g, '$1')
}

function differences(name: string, tokenizer: Tokenizer, records: ExpectedRecord[]): string[] {
  return records.flatMap(record => {
    const ids = tokenizer.encode(record.text, { addSpecialTokens: record.local !== headless })
    const found: string[] = []
    const label = `${name} ${record.tokenizer} ${record.name}`
    if (ids.join() !== record.ids.join()) found.push(`${label}: ids ${ids.join(' ')}, expected ${record.ids.join(' ')}`)
    const tokens = Array.from(tokenizer.encode(record.text), id => tokenizer.idToToken(id))
    if (JSON.stringify(tokens) !== JSON.stringify(record.tokens)) found.push(`${label}: tokens ${tokens}`)
    const text = tokenizer.decode(record.ids)
    if (text !== record.decoded && cleanUp(text) !== record.decoded)
      found.push(`${label}: decoded ${JSON.stringify(text)}, expected ${record.decoded}`)
    return found
  })
}

const here = hasShared('data/tokenizer')
const title = `tokenizers give the ids of the reference programs${here ? '' : ' (the shared folder data/tokenizer is not here)'}`

describe.skipIf(!here)(title, () => {
  let recorded: ExpectedRecord[]
  let reference: Reference
  let texts: Map<string, string>

  beforeAll(async () => {
    const read = (name: string): unknown => JSON.parse(readFileSync(shared(`data/tokenizer/${name}`), 'utf8'))
    recorded = read('vectors-transformers-js.json') as ExpectedRecord[]
    reference = read('vectors-reference.json') as Reference
    texts = await validationTexts()
  })

  afterAll(() => {
    const header = ['tokenizer', 'read from', 'engine', 'recorded', 'snippets', 'documents']
    console.log(`\n${formatTable(header, table)}\n155 of 318 recorded cases are for tokenizers that are not here\n`)
  })

  it('has all 318 recorded cases, 163 of them for tokenizers that are here', () => {
    expect(recorded.length).toBe(318)
    expect(recorded.filter(record => record.local !== null).length).toBe(163)
    const used = recorded.filter(record => sources.some(source => record.local?.startsWith(source.name)))
    expect(used.length).toBe(163)
  })

  describe.each(['rust', 'js'] as const)('engine %s', engine => {
    it.each(sources)('$path', async ({ name, path, form }) => {
      const tokenizer = await openTokenizer(shared(`data/tokenizer/${path}`), { engine })
      expect(tokenizer.engine).toBe(engine)
      const [recordedCount, snippetCount, documentCount] = expectedCounts[name]!

      const records = recorded.filter(
        record => record.local === name || (name === 'llama3' && record.local === headless),
      )
      expect(records.length).toBe(recordedCount)
      expect(differences(path, tokenizer, records)).toEqual([])

      const snippets = reference.snippets.filter(snippet => name in snippet.ids)
      expect(snippets.length).toBe(snippetCount)
      const batch = await tokenizer.encodeBatch(snippets.map(snippet => snippet.text))
      const wrong = snippets.filter((snippet, i) => batch[i]!.join() !== snippet.ids[name]!.join())
      expect(wrong.map(snippet => `${snippet.source} at ${snippet.offset}`)).toEqual([])

      const documents = reference.documents.filter(document => name in document.ids)
      expect(documents.length).toBe(documentCount)
      const ids = await tokenizer.encodeBatch(documents.map(document => texts.get(document.text_sha256)!))
      const actual = ids.map(list => ({ count: list.length, sha256_of_uint32_le: sha256OfIds(list) }))
      expect(actual).toEqual(documents.map(document => document.ids[name]))

      const share = (count: number) => `${count} of ${count}`
      table.push([name, form, engine, share(recordedCount), share(snippetCount), share(documentCount)])
    })
  })
})
