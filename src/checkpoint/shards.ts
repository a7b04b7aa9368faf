import { join } from 'node:path'
import { writeFileAtomic } from '../util/atomic-file.js'
import { LabError, messageOf } from '../util/errors.js'
import { duplicateKey } from './duplicate-keys.js'
import { byteLengthOf } from './tensor-source.js'
import { type TensorEntry, type WriteOptions, writeSafetensors } from './write.js'

export const singleFileName = 'model.safetensors'
export const indexFileName = 'model.safetensors.index.json'

/** Default size at which a new shard is begun: 5 GB, as Hugging Face tools have it. */
export const defaultMaxShardBytes = 5e9

export interface ShardOptions extends WriteOptions {
  /** A shard is closed before it would exceed this; a larger tensor gets a shard of its own. Default 5 GB. */
  maxShardBytes?: number
}

/** Cuts a list of tensors, in order, into runs of at most `maxShardBytes`. */
export function planShards(entries: readonly TensorEntry[], maxShardBytes = defaultMaxShardBytes): TensorEntry[][] {
  if (!(maxShardBytes > 0)) throw new LabError('SHARDS', `maxShardBytes must be positive, got ${maxShardBytes}.`)
  const shards: TensorEntry[][] = [[]]
  let bytes = 0
  for (const entry of entries) {
    const size = byteLengthOf(entry.dtype, entry.shape) ?? 0
    if (bytes > 0 && bytes + size > maxShardBytes) {
      shards.push([])
      bytes = 0
    }
    shards.at(-1)!.push(entry)
    bytes += size
  }
  return shards
}

/** File names of `count` shards as Hugging Face names them; one shard is plain `model.safetensors`. */
export function shardNames(count: number): string[] {
  if (count === 1) return [singleFileName]
  const number = (n: number) => String(n).padStart(5, '0')
  return Array.from({ length: count }, (_, i) => `model-${number(i + 1)}-of-${number(count)}.safetensors`)
}

/**
 * Writes tensors as `model.safetensors`, or as shards with `model.safetensors.index.json` (written last) when they take
 * more than `maxShardBytes`.
 *
 * @returns the names of the files written
 */
export async function writeShards(
  dir: string,
  entries: readonly TensorEntry[],
  options: ShardOptions = {},
): Promise<string[]> {
  const shards = planShards(entries, options.maxShardBytes)
  const names = shardNames(shards.length)
  for (const [i, shard] of shards.entries()) await writeSafetensors(join(dir, names[i]!), shard, options)
  if (shards.length === 1) return names
  const weightMap = Object.fromEntries(
    shards
      .flatMap((shard, i) => shard.map(entry => [entry.name, names[i]!] as const))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  )
  const totalSize = entries.reduce((sum, { dtype, shape }) => sum + byteLengthOf(dtype, shape)!, 0)
  const index = { metadata: { total_size: totalSize }, weight_map: weightMap }
  writeFileAtomic(join(dir, indexFileName), `${JSON.stringify(index, null, 2)}\n`)
  return [...names, indexFileName]
}

function badIndex(where: string, message: string): LabError {
  return new LabError('SHARD_INDEX', `${where}: ${message}`)
}

/**
 * Parses the text of `model.safetensors.index.json`.
 *
 * @returns tensor name -> shard file name; every name is a plain `.safetensors` file name without a path
 * @throws LabError SHARD_INDEX
 */
export function parseShardIndex(text: string, where: string): Map<string, string> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw badIndex(where, `not valid JSON (${messageOf(error)}).`)
  }
  const weightMap = (value as { weight_map?: unknown } | null)?.weight_map
  if (weightMap === null || typeof weightMap !== 'object' || Array.isArray(weightMap))
    throw badIndex(where, 'expected an object "weight_map" from tensor names to file names.')
  const twice = duplicateKey(text)
  if (twice !== null) throw badIndex(where, `the key ${JSON.stringify(twice)} occurs twice.`)
  const map = new Map<string, string>()
  for (const [name, file] of Object.entries(weightMap as object)) {
    if (typeof file !== 'string' || !/^[^/\\:\0]+\.safetensors$/.test(file) || file.startsWith('..'))
      throw badIndex(
        where,
        `tensor "${name}" is said to be in ${JSON.stringify(file)}; expected the plain name of a .safetensors file in the same directory.`,
      )
    map.set(name, file)
  }
  if (map.size === 0) throw badIndex(where, '"weight_map" is empty.')
  return map
}
