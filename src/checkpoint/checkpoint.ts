import { existsSync, readdirSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type ModelConfig, parseModelConfig } from '../model/config.js'
import { parameterShapes } from '../model/parameters.js'
import { LabError, messageOf } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'
import { isFloatDtype } from './convert.js'
import { readSafetensors, type SafetensorsFile, sameBytes } from './read.js'
import { indexFileName, parseShardIndex, singleFileName } from './shards.js'
import type { TensorSource } from './tensor-source.js'

/** A model directory of which the configuration and the place of every tensor are known; no weights are in memory. */
export interface Checkpoint {
  dir: string
  config: ModelConfig
  /** Every stored tensor by name: the parameters in the order of `parameterShapes`, then the unknown ones. */
  tensors: Map<string, TensorSource>
  /** Stored tensors that the configuration has no use for (old rotary buffers, a tied head); they are carried along. */
  unknownTensors: string[]
  /** The safetensors files, sorted by path. */
  files: SafetensorsFile[]
}

async function readText(path: string, code: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new LabError(code, `cannot read ${path}: ${messageOf(error)}.`, { cause: error })
  }
}

/**
 * Reads `config.json` of a model directory.
 *
 * @throws LabError CHECKPOINT_CONFIG (missing, not JSON), or those of {@link parseModelConfig}
 */
export async function readModelConfig(dir: string): Promise<ModelConfig> {
  if (!existsSync(dir) || !statSync(dir).isDirectory())
    throw new LabError('CHECKPOINT_CONFIG', `${dir} is not a directory; expected a model directory with config.json.`)
  const path = join(dir, 'config.json')
  const text = await readText(path, 'CHECKPOINT_CONFIG')
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new LabError('CHECKPOINT_CONFIG', `${path} is not valid JSON: ${messageOf(error)}.`)
  }
  return parseModelConfig(json, path)
}

/** The error for a directory without safetensors: says what is there instead and how to convert it. */
function noWeights(dir: string): LabError {
  const files = readdirSync(dir).sort()
  const pickled = files.find(name => /^(pytorch_model.*|consolidated.*)\.(bin|pt|pth)(\.index\.json)?$/.test(name))
  if (pickled)
    return new LabError(
      'CHECKPOINT_PICKLE',
      `${dir} holds ${pickled}, a pickle, which can run code when it is read and is therefore not read. Convert it once, in an environment that you trust, with transformers: AutoModelForCausalLM.from_pretrained(dir).save_pretrained(dir, safe_serialization=True).`,
    )
  const gguf = files.find(name => name.endsWith('.gguf'))
  const found = gguf ? `${gguf}, which is not a training checkpoint` : files.slice(0, 8).join(', ') || 'nothing'
  return new LabError('CHECKPOINT_WEIGHTS', `${dir}: expected ${singleFileName} or ${indexFileName}, found ${found}.`)
}

/**
 * Checks that an index and its shards name the same tensors.
 *
 * @param shards the files that the index names, by name
 * @throws LabError SHARD_INDEX
 */
export function checkShards(where: string, weightMap: Map<string, string>, shards: Map<string, SafetensorsFile>): void {
  for (const [name, file] of shards) {
    const stray = [...file.tensors.keys()].find(tensor => weightMap.get(tensor) !== name)
    if (stray !== undefined)
      throw new LabError(
        'SHARD_INDEX',
        `${where} says that "${stray}" is in ${weightMap.get(stray) ?? 'no file'}, but it is in ${name}.`,
      )
  }
  for (const [tensor, name] of weightMap)
    if (!shards.get(name)!.tensors.has(tensor))
      throw new LabError('SHARD_INDEX', `${where} says that "${tensor}" is in ${name}, but it is not.`)
}

async function openShards(dir: string): Promise<SafetensorsFile[]> {
  const where = join(dir, indexFileName)
  const weightMap = parseShardIndex(await readText(where, 'SHARD_INDEX'), where)
  const names = [...new Set(weightMap.values())].sort()
  const missing = names.filter(name => !existsSync(join(dir, name)))
  if (missing.length > 0)
    throw new LabError(
      'SHARD_MISSING',
      `${where} names ${missing.length} of ${names.length} files that are not there: ${missing.slice(0, 3).join(', ')}. Fetch them again.`,
    )
  const shards = new Map<string, SafetensorsFile>()
  for (const name of names) shards.set(name, await readSafetensors(join(dir, name)))
  checkShards(where, weightMap, shards)
  return [...shards.values()]
}

async function openFiles(dir: string): Promise<SafetensorsFile[]> {
  // a whole file wins over an index, as in transformers
  if (existsSync(join(dir, singleFileName))) return [await readSafetensors(join(dir, singleFileName))]
  if (existsSync(join(dir, indexFileName))) return openShards(dir)
  throw noWeights(dir)
}

function missingParameters(dir: string, missing: string[], stored: Map<string, TensorSource>): LabError {
  const names = missing.slice(0, 4).join(', ') + (missing.length > 4 ? ', ...' : '')
  let advice = didYouMean(missing[0]!, stored.keys())
  if (missing[0] === 'lm_head.weight')
    advice = ' If the head is the embedding matrix, set "tie_word_embeddings" to true in config.json.'
  else if (stored.has(missing[0]!.replace(/^model\./, '')))
    advice = ' The names lack the prefix "model."; save the causal language model, not the bare model.'
  return new LabError(
    'CHECKPOINT_MISSING',
    `${dir}: ${missing.length} parameters of config.json are not in the weights: ${names}.${advice}`,
  )
}

function checkParameter(dir: string, name: string, shape: number[], source: TensorSource): void {
  if (source.shape.length !== shape.length || source.shape.some((size, i) => size !== shape[i]))
    throw new LabError(
      'CHECKPOINT_SHAPE',
      `${dir}: config.json gives "${name}" the shape [${shape.join(', ')}], the weights have [${source.shape.join(', ')}].`,
    )
  if (!isFloatDtype(source.dtype))
    throw new LabError(
      'CHECKPOINT_DTYPE',
      `${dir}: "${name}" is stored as ${source.dtype}; expected F32, F16 or BF16. Quantized checkpoints are not supported.`,
    )
}

/** transformers 4 ties such a head and transformers 5 does not; guessing would silently change the model. */
async function checkTiedHead(dir: string, tensors: Map<string, TensorSource>): Promise<void> {
  const head = tensors.get('lm_head.weight')
  const embeddings = tensors.get('model.embed_tokens.weight')
  if (!head || !embeddings || (await sameBytes(head, embeddings))) return
  throw new LabError(
    'CHECKPOINT_TIED_HEAD',
    `${dir}: config.json ties the head to the embeddings, but the stored lm_head.weight differs from them. Set "tie_word_embeddings" to false to use it, or remove the tensor.`,
  )
}

/**
 * A checkpoint from its configuration and the headers of its weights: every parameter must be there with its shape.
 *
 * @param dir names the model in errors
 * @throws LabError CHECKPOINT_MISSING, CHECKPOINT_SHAPE, CHECKPOINT_DTYPE
 */
export function checkpointOf(dir: string, config: ModelConfig, files: SafetensorsFile[]): Checkpoint {
  const stored = new Map(files.flatMap(file => [...file.tensors]))
  const expected = parameterShapes(config)
  const missing = [...expected.keys()].filter(name => !stored.has(name))
  if (missing.length > 0) throw missingParameters(dir, missing, stored)
  for (const [name, shape] of expected) checkParameter(dir, name, shape, stored.get(name)!)
  const unknownTensors = [...stored.keys()].filter(name => !expected.has(name))
  const tensors = new Map([...expected.keys(), ...unknownTensors].map(name => [name, stored.get(name)!]))
  return { dir, config, tensors, unknownTensors, files }
}

/**
 * Opens a Hugging Face model directory: `config.json` and `model.safetensors`, or its shards by
 * `model.safetensors.index.json`. Only headers are read. Every parameter of the configuration must be there with its
 * shape; tensors beyond them are reported in `unknownTensors`.
 *
 * @throws LabError CHECKPOINT_CONFIG, CHECKPOINT_WEIGHTS, CHECKPOINT_PICKLE, CHECKPOINT_MISSING, CHECKPOINT_SHAPE,
 * CHECKPOINT_DTYPE, CHECKPOINT_TIED_HEAD, SHARD_INDEX, SHARD_MISSING, and those of the config and safetensors readers
 */
export async function openCheckpoint(dir: string): Promise<Checkpoint> {
  const config = await readModelConfig(dir)
  const checkpoint = checkpointOf(dir, config, await openFiles(dir))
  if (config.tieWordEmbeddings) await checkTiedHead(dir, checkpoint.tensors)
  return checkpoint
}
