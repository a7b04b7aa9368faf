import { type Checkpoint, checkpointOf, checkShards, readModelConfig } from './checkpoint.js'
import { type HubAddress, parseHubAddress } from './hub-address.js'
import { openHubByteSource } from './hub-byte-source.js'
import type { HubFile } from './hub-cache.js'
import type { HubOptions } from './hub-client.js'
import { resolveModelMetadata } from './hub-download.js'
import { WEIGHT_INDEX } from './hub-model-files.js'
import { readHeader, type SafetensorsFile } from './read.js'
import { parseShardIndex } from './shards.js'

/** Requests for headers under way at one time. */
const CONCURRENT = 8

/** A model of the hub whose weights are still there: `dir` has configuration and tokenizer only. */
export interface HubCheckpoint extends Checkpoint {
  /** The address with the commit as its revision. */
  pinned: string
}

/**
 * Looks into a model of the hub without downloading its weights: configuration, tokenizer and index are brought into the
 * cache, and of each weight file only the header is read, by range. Tensors and files are named by `hf://` addresses. The
 * stored head of a model with a tied one is not compared with the embeddings, as `openCheckpoint` does: that takes both.
 * @throws LabError of `resolveModel`, of `openCheckpoint`, and `HUB_NO_RANGES` from a server that does not serve ranges
 */
export async function openHubCheckpoint(where: string | HubAddress, options: HubOptions = {}): Promise<HubCheckpoint> {
  const { directory, pinned, weights, indexText } = await resolveModelMetadata(where, options)
  const config = await readModelConfig(directory)
  const address = parseHubAddress(pinned)
  const files: SafetensorsFile[] = []
  for (let i = 0; i < weights.length; i += CONCURRENT) {
    const some = weights.slice(i, i + CONCURRENT).map(file => headerOf(address, file, options))
    files.push(...(await Promise.all(some)))
  }
  if (indexText !== null) {
    const index = `${pinned}/${WEIGHT_INDEX}`
    const shards = new Map(files.map(file => [file.path.slice(file.path.lastIndexOf('/') + 1), file]))
    checkShards(index, parseShardIndex(indexText, index), shards)
  }
  return { ...checkpointOf(directory, config, files), pinned }
}

async function headerOf(address: HubAddress, { path }: HubFile, options: HubOptions): Promise<SafetensorsFile> {
  const source = await openHubByteSource({ ...address, path }, options)
  return readHeader(source.path, source.byteLength, (start, end) => source.range(start, end))
}
