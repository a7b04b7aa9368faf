import { existsSync } from 'node:fs'
import { copyFile, cp, readdir, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { ModelConfig } from '../model/config.js'
import { configText } from '../model/config-json.js'
import { parameterShapes } from '../model/parameters.js'
import { writeDirectoryAtomic } from '../util/atomic-directory.js'
import { writeFileAtomic } from '../util/atomic-file.js'
import { LabError } from '../util/errors.js'
import { writeShards } from './shards.js'
import { byteLengthOf } from './tensor-source.js'
import type { TensorEntry } from './write.js'

/** Files of a model directory that describe its vocabulary, its chat format or its terms of use, not its weights. */
const companionFiles = new Set([
  'tokenizer.json',
  'tokenizer.json.gz',
  'tokenizer.model',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'vocab.txt',
  'merges.txt',
  'chat_template.jinja',
  'chat_template.json',
  'generation_config.json',
])
const termsOfUse = /^(LICEN[CS]E|NOTICE|USE_POLICY|COPYING)/i

/** Progress of a long write: bytes of weights written and bytes in all. */
export interface SaveProgress {
  bytesDone: number
  bytesTotal: number
}

export interface SaveOptions {
  config: ModelConfig
  /** Every parameter of `config` once, with its shape; further tensors are written too. */
  tensors: readonly TensorEntry[]
  /** Model directory whose tokenizer files, generation_config.json and licence files are copied, or a tokenizer file. */
  companionsFrom?: string
  /** Shard size limit in bytes; default 5 GB. */
  maxShardBytes?: number
  /** Replace `dir` when it is there; default false. */
  overwrite?: boolean
  signal?: AbortSignal
  onProgress?: (progress: SaveProgress) => void
}

function checkEntries({ config, tensors }: SaveOptions): void {
  const byName = new Map(tensors.map(entry => [entry.name, entry]))
  for (const [name, shape] of parameterShapes(config)) {
    const entry = byName.get(name)
    if (!entry)
      throw new LabError('SAVE', `the parameter "${name}" of the configuration is missing from the tensors to save.`)
    if (entry.shape.join() !== shape.join())
      throw new LabError(
        'SAVE',
        `"${name}": the configuration gives the shape [${shape.join(', ')}], the tensor has [${entry.shape.join(', ')}].`,
      )
  }
}

/** Overwriting removes a whole directory, so it is allowed only where a model (or nothing) lies. */
async function checkTarget(dir: string, overwrite: boolean): Promise<void> {
  if (!overwrite || !existsSync(dir)) return
  const names = (await stat(dir)).isDirectory() ? await readdir(dir) : ['a file']
  if (names.length > 0 && !names.includes('config.json'))
    throw new LabError(
      'OUTPUT_EXISTS',
      `${dir} is not a model directory (it has no config.json), so it is not overwritten.`,
    )
}

/** As the tokenizer reads them: a file of a usual name stands for its directory, any other file for itself. */
async function copyCompanions(from: string, to: string): Promise<string[]> {
  if ((await stat(from)).isFile()) {
    if (companionFiles.has(basename(from))) return copyCompanions(dirname(from), to)
    const name = `tokenizer${/\.json(\.gz)?$/.exec(from)?.[0] ?? '.model'}`
    await copyFile(from, join(to, name))
    return [name]
  }
  const names = (await readdir(from)).filter(name => companionFiles.has(name) || termsOfUse.test(name)).sort()
  const copied: string[] = []
  for (const name of names) {
    if (!(await stat(join(from, name))).isFile()) continue
    await copyFile(join(from, name), join(to, name))
    copied.push(name)
  }
  const templates = 'additional_chat_templates'
  if (existsSync(join(from, templates))) {
    await cp(join(from, templates), join(to, templates), { recursive: true })
    copied.push(templates)
  }
  return copied
}

/** What generate() needs to know of a model whose source has no generation_config.json. */
function generationConfig(config: ModelConfig): Record<string, unknown> {
  const { bosTokenId, eosTokenIds } = config
  return {
    _from_model_config: true,
    ...(bosTokenId !== null && { bos_token_id: bosTokenId }),
    ...(eosTokenIds.length > 0 && { eos_token_id: eosTokenIds.length === 1 ? eosTokenIds[0] : eosTokenIds }),
  }
}

/**
 * Writes a complete model directory that Hugging Face transformers loads: config.json, generation_config.json, weights
 * (sharded with an index beyond `maxShardBytes`) and the companion files of `companionsFrom`. All of it appears at once:
 * it is written under a temporary name beside `dir`, then renamed.
 *
 * @returns the names of the files in `dir`
 * @throws LabError OUTPUT_EXISTS, SAVE (a parameter is missing or has another shape), SAFETENSORS_WRITE, or the reason
 * of `signal`; nothing is left behind then
 */
export async function saveModel(dir: string, options: SaveOptions): Promise<string[]> {
  const { config, tensors, companionsFrom, maxShardBytes, overwrite = false, signal, onProgress } = options
  checkEntries(options)
  await checkTarget(dir, overwrite)
  const text = configText(config)
  const bytesTotal = tensors.reduce((sum, { dtype, shape }) => sum + (byteLengthOf(dtype, shape) ?? 0), 0)
  let bytesDone = 0
  const fill = async (temporary: string): Promise<string[]> => {
    const companions = companionsFrom === undefined ? [] : await copyCompanions(companionsFrom, temporary)
    writeFileAtomic(join(temporary, 'config.json'), text)
    const generation = 'generation_config.json'
    const isGenerationMade = !companions.includes(generation)
    if (isGenerationMade)
      writeFileAtomic(join(temporary, generation), `${JSON.stringify(generationConfig(config), null, 2)}\n`)
    const onBytes = (bytes: number) => onProgress?.({ bytesDone: (bytesDone += bytes), bytesTotal })
    const weights = await writeShards(temporary, tensors, { maxShardBytes, signal, onBytes })
    return ['config.json', ...(isGenerationMade ? [generation] : []), ...companions, ...weights]
  }
  return writeDirectoryAtomic(dir, fill, { overwrite })
}
