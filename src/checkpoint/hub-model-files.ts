import { LabError } from '../util/errors.js'
import { describeRepo, type HubAddress } from './hub-address.js'
import type { HubFile } from './hub-cache.js'

export const WEIGHT_INDEX = 'model.safetensors.index.json'
const WEIGHTS = 'model.safetensors'
const METADATA =
  /^(config\.json|generation_config\.json|tokenizer[^/]*|special_tokens_map\.json|added_tokens\.json|vocab\.json|merges\.txt|chat_template\.jinja)$/

/** The files directly in a folder of a repository, by their names in it and in the order of these. */
export function filesIn(files: HubFile[], folder: string): Map<string, HubFile> {
  const prefix = folder === '' ? '' : `${folder}/`
  const direct = files.filter(({ path }) => path.startsWith(prefix) && !path.slice(prefix.length).includes('/'))
  const sorted = direct.sort((a, b) => (a.path < b.path ? -1 : 1))
  return new Map(sorted.map(file => [file.path.slice(prefix.length), file]))
}

/** Configuration, tokenizer and, when the weights are sharded, their index: the small files that a model needs. */
export function metadataFiles(names: Map<string, HubFile>): HubFile[] {
  const sharded = !names.has(WEIGHTS)
  return [...names]
    .filter(([name]) => METADATA.test(name) || (sharded && name === WEIGHT_INDEX))
    .map(([, file]) => file)
}

/**
 * The weight files of a model: `model.safetensors`, or else the shards that its index names. Other safetensors files of
 * the folder (copies in another layout) are left out.
 * @param indexText the content of the index, or null when there is none
 * @throws LabError `HUB_NOT_A_MODEL` that says what is there instead
 */
export function weightFiles(address: HubAddress, names: Map<string, HubFile>, indexText: string | null): HubFile[] {
  const single = names.get(WEIGHTS)
  if (single) return [single]
  if (indexText === null) throw noWeights(address, [...names.keys()])
  const shards = shardNames(address, indexText)
  const missing = shards.filter(name => !names.has(name))
  if (missing.length > 0) throw missingShards(address, shards.length, missing)
  return shards.map(name => names.get(name)!)
}

function shardNames(address: HubAddress, indexText: string): string[] {
  try {
    const { weight_map: map } = JSON.parse(indexText) as { weight_map?: Record<string, unknown> }
    const shards = [...new Set(Object.values(map ?? {}))]
    if (shards.length > 0 && shards.every(name => typeof name === 'string')) return (shards as string[]).sort()
  } catch {
    // not JSON: the same error as for JSON without a weight map
  }
  throw new LabError(
    'HUB_NOT_A_MODEL',
    `${WEIGHT_INDEX} of ${describeRepo(address)}: expected {"weight_map": {"parameter": "file", ...}}, got ${indexText.slice(0, 60)}`,
  )
}

function missingShards(address: HubAddress, count: number, missing: string[]): LabError {
  return new LabError(
    'HUB_SHARDS_MISSING',
    `${describeRepo(address)}: ${WEIGHT_INDEX} names ${count} files, and ${missing.length} of them are not there: ` +
      `${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ', ...' : ''}`,
  )
}

function noWeights(address: HubAddress, names: string[]): LabError {
  const has = (pattern: RegExp) => names.some(name => pattern.test(name))
  const why = has(/^adapter_model\./)
    ? 'it holds a LoRA adapter: give its base model instead'
    : has(/\.(bin|pth?|ckpt)$/)
      ? 'its weights are pickled, and loading a pickle can run any code: convert them to safetensors, or look for a ' +
        'revision that has them (hf://owner/name@refs/pr/N)'
      : has(/\.gguf$/)
        ? 'its weights are GGUF: give the repository that they were converted from'
        : `it has ${names.slice(0, 8).join(', ') || 'nothing'}`
  return new LabError('HUB_NOT_A_MODEL', `${describeRepo(address)} has neither ${WEIGHTS} nor ${WEIGHT_INDEX}; ${why}.`)
}

/** The error for a folder without `config.json`; names folders of the repository that have one. */
export function noConfig(address: HubAddress, files: HubFile[]): LabError {
  const folders = files.filter(({ path }) => path.endsWith('/config.json')).map(({ path }) => path.slice(0, -12))
  const where = address.path === '' ? 'at its root' : `in "${address.path}"`
  const hint = folders.length > 0 ? ` Folders that have one: ${folders.slice(0, 5).join(', ')}.` : ''
  const exact = files.some(({ path }) => path === address.path) ? ' The path names a file; give its folder.' : ''
  return new LabError('HUB_NOT_A_MODEL', `${describeRepo(address)} has no config.json ${where}.${exact}${hint}`)
}
