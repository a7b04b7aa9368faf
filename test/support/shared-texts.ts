import { readdirSync, readFileSync } from 'node:fs'
import { decompress } from 'fzstd'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { sha256 } from '../../src/util/canonical-json.js'
import { shared } from './shared.js'

/** The documents of the shared validation shards of code and mathematics, by the SHA-256 of their text. */
export async function validationTexts(): Promise<Map<string, string>> {
  const texts = new Map<string, string>()
  const add = (text: string) => texts.set(sha256(text), text)
  for (const subset of ['algebraic-stack', 'arxiv', 'open-web-math']) {
    const folder = shared(`data/proof-pile-2/${subset}/validation`)
    for (const name of readdirSync(folder)) {
      const content = new TextDecoder().decode(decompress(readFileSync(`${folder}/${name}`)))
      for (const line of content.split('\n')) if (line !== '') add((JSON.parse(line) as { text: string }).text)
    }
  }
  const file = await asyncBufferFromFile(shared('data/stack-python/validation-00000.parquet'))
  for (const row of await parquetReadObjects({ file, compressors, columns: ['content'] })) add(String(row['content']))
  return texts
}
