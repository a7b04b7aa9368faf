import { existsSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { LabError, messageOf } from '../util/errors.js'
import { conversionAdvice, convertSentencePiece, looksLikeSentencePiece } from './sentencepiece.js'
import { resolveSpecialTokens, type SideFiles, type SpecialTokenIds, withConfiguredTokens } from './special-tokens.js'
import { convertTiktoken, looksLikeTiktoken } from './tiktoken.js'
import { isObject, parseTokenizerJson, type TokenizerJson } from './tokenizer-json.js'

/** Everything that an engine needs to become a tokenizer. */
export interface TokenizerDefinition extends SpecialTokenIds {
  /** The file it was read from, for messages. */
  source: string
  json: TokenizerJson
}

const fileNames = ['tokenizer.json', 'tokenizer.json.gz', 'tokenizer.model']

/**
 * Reads a tokenizer: a model directory, or a file `*.json`, `*.json.gz` or `*.model`. A file with one of the usual names
 * (`tokenizer.json`, `tokenizer.json.gz`, `tokenizer.model`) is read together with the configuration files beside it, just
 * as its directory would be.
 * @throws LabError `TOKENIZER_MISSING`, `TOKENIZER_INVALID`, `TOKENIZER_UNSUPPORTED` or `TOKENIZER_SPECIAL`
 */
export async function readDefinition(path: string): Promise<TokenizerDefinition> {
  const file = locate(path)
  const where = dirname(file)
  const files = await readSideFiles(fileNames.includes(basename(file)) ? where : null)
  const bytes = await readFile(file)
  if (/\.json(\.gz)?$/.test(file)) {
    const json = withConfiguredTokens(parseTokenizerJson(unzip(bytes, file), file), files, where)
    return { source: file, json, ...resolveSpecialTokens(json, files, where) }
  }
  const { json: converted, ...ids } = convertModelFile(bytes, file)
  const json = withConfiguredTokens(converted, files, where)
  return { source: file, json, ...resolveSpecialTokens(json, files, where, ids) }
}

function locate(path: string): string {
  if (!existsSync(path))
    throw new LabError(
      'TOKENIZER_MISSING',
      `${path}: no such file or directory; expected a model directory or a tokenizer file`,
    )
  if (!statSync(path).isDirectory()) return path
  const found = fileNames.map(name => join(path, name)).find(file => existsSync(file))
  if (!found)
    throw new LabError(
      'TOKENIZER_MISSING',
      `${path}: expected ${fileNames.join(', ')} in it, found none. Copy the tokenizer of the model into the directory`,
    )
  return found
}

function unzip(bytes: Buffer, file: string): string {
  try {
    return (file.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8')
  } catch (error) {
    throw new LabError('TOKENIZER_INVALID', `${file}: not a whole gzip file: ${messageOf(error)}. Download it again`)
  }
}

function convertModelFile(bytes: Uint8Array, file: string): { json: TokenizerJson } & SpecialTokenIds {
  if (looksLikeTiktoken(bytes)) return convertTiktoken(bytes, file)
  if (looksLikeSentencePiece(bytes)) return convertSentencePiece(bytes, file)
  throw new LabError(
    'TOKENIZER_UNSUPPORTED',
    `${file}: neither a tokenizer.json, nor a SentencePiece model, nor a tiktoken ranks file. ${conversionAdvice}`,
  )
}

async function readSideFiles(directory: string | null): Promise<SideFiles> {
  const read = async (name: string): Promise<Record<string, unknown> | null> => {
    if (directory === null || !existsSync(join(directory, name))) return null
    const file = join(directory, name)
    let value: unknown
    try {
      value = JSON.parse(await readFile(file, 'utf8'))
    } catch (error) {
      throw new LabError('TOKENIZER_INVALID', `${file}: expected JSON, got ${messageOf(error)}`)
    }
    if (!isObject(value)) throw new LabError('TOKENIZER_INVALID', `${file}: expected a JSON object`)
    return value
  }
  return {
    tokenizerConfig: await read('tokenizer_config.json'),
    specialTokensMap: await read('special_tokens_map.json'),
    config: await read('config.json'),
    generationConfig: await read('generation_config.json'),
  }
}
