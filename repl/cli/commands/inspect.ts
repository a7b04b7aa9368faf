import { basename } from 'node:path'
import { Command } from 'commander'
import {
  type Checkpoint,
  elementCount,
  formatBytes,
  formatCount,
  LabError,
  layerMap,
  layerMapText,
  type ModelConfig,
  messageOf,
  openCheckpoint,
  openTokenizer,
  parameterCount,
  parameterShapes,
  readModelConfig,
  readProvenance,
} from '../../../src/index.js'
import type { CommandContext } from '../context.js'
import { hubCheckpoint } from '../models.js'
import type { Output } from '../output.js'
import { indented, pairs, percent, table } from '../text.js'

const examples = `
Examples:
  llama-pro inspect datasets/demo/base
  llama-pro inspect hf://HuggingFaceTB/SmolLM2-135M --json

Of a model on the hub only configuration, tokenizer and the headers of the weights are fetched.`

export function inspectCommand(context: CommandContext): Command {
  return new Command('inspect')
    .summary('what a model is made of')
    .description('Shows configuration, parameters, files, blocks with their provenance, and the tokenizer of a model.')
    .argument('<model>', 'model directory, or hf://owner/name[@revision]')
    .addHelpText('after', examples)
    .action(async (model: string) => inspect(context, model))
}

async function inspect(context: CommandContext, where: string): Promise<void> {
  const remote = await hubCheckpoint(context, where)
  const directory = remote?.dir ?? where
  const config = remote?.config ?? (await readModelConfig(directory))
  const weights = remote ?? (await weightsOf(directory))
  const report = {
    model: where,
    directory,
    config: { ...config, raw: undefined },
    parameters: { total: parameterCount(config), parts: parametersByPart(config) },
    files: weights?.files.map(({ path, fileBytes }) => ({ name: basename(path), bytes: fileBytes })) ?? [],
    dtypes: weights === null ? {} : elementsByType(weights),
    unknownTensors: weights?.unknownTensors ?? [],
    layerMap: layerMap(config),
    provenance: readProvenance(config),
    tokenizer: await tokenizerOf(directory),
  }
  context.out.document(report)
  print(context.out, config, report)
}

/** A directory with nothing but a configuration can be inspected too, to plan an expansion before a download. */
async function weightsOf(directory: string): Promise<Checkpoint | null> {
  try {
    return await openCheckpoint(directory)
  } catch (error) {
    if (error instanceof LabError && error.code === 'CHECKPOINT_WEIGHTS') return null
    throw error
  }
}

/** How many numbers are stored in each type; the configuration may say something else. */
function elementsByType({ tensors }: Checkpoint): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { dtype, shape } of tensors.values()) counts[dtype] = (counts[dtype] ?? 0) + elementCount(shape)
  return counts
}

type TokenizerReport = { engine: string; vocabSize: number; hash: string } | { problem: string }

async function tokenizerOf(directory: string): Promise<TokenizerReport> {
  try {
    const { engine, vocabSize, hash } = await openTokenizer(directory)
    return { engine, vocabSize, hash }
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    return { problem: error.code === 'TOKENIZER_MISSING' ? 'none in this directory' : messageOf(error) }
  }
}

const parts: [name: string, pattern: RegExp][] = [
  ['embeddings', /^model\.embed_tokens\./],
  ['attention', /\.self_attn\.[qkvo]_proj\./],
  ['feed-forward', /\.mlp\./],
  ['norms', /norm\.weight$/],
  ['head', /^lm_head\./],
]

function parametersByPart(config: ModelConfig): Record<string, number> {
  const counts = Object.fromEntries(parts.map(([name]) => [name, 0]))
  for (const [path, shape] of parameterShapes(config)) {
    const name = parts.find(([, pattern]) => pattern.test(path))![0]
    counts[name]! += elementCount(shape)
  }
  return counts
}

interface Report {
  model: string
  directory: string
  parameters: { total: number; parts: Record<string, number> }
  files: { name: string; bytes: number }[]
  dtypes: Record<string, number>
  unknownTensors: string[]
  layerMap: ReturnType<typeof layerMap>
  provenance: ReturnType<typeof readProvenance>
  tokenizer: TokenizerReport
}

function print(out: Output, config: ModelConfig, report: Report): void {
  const { parameters, files, dtypes, unknownTensors, provenance, tokenizer } = report
  out.line(out.style.bold(report.model))
  if (report.directory !== report.model) out.line(out.style.dim(report.directory))
  printShape(out, config)
  out.heading('Parameters by part')
  const rows = Object.entries(parameters.parts).filter(([, count]) => count > 0)
  table(
    out,
    ['part', 'parameters', 'share'],
    rows.map(([name, count]) => [name, formatCount(count), percent(count / parameters.total)]),
  )
  out.heading('Files')
  const stored = Object.entries(dtypes).map(([dtype, count]) => `${formatCount(count)} ${dtype}`)
  pairs(out, [
    ...files.map(({ name, bytes }) => [name, formatBytes(bytes)] as const),
    files.length > 0 ? ['numbers', stored.join(', ')] : ['weights', 'none: only the configuration is here'],
    ...(unknownTensors.length > 0 ? [['not used', unknownTensors.join(', ')] as const] : []),
  ])
  out.heading('Tokenizer')
  pairs(out, 'problem' in tokenizer ? [['problem', tokenizer.problem]] : tokenizerRows(tokenizer, config))
  out.heading(provenance ? `Blocks, ${provenance.layers.length} of them new` : 'Blocks')
  out.line(indented(layerMapText(report.layerMap)))
}

/** The shape of a model in a few lines. */
export function printShape(out: Output, config: ModelConfig): void {
  pairs(out, [...shapeRows(config), ['parameters', formatCount(parameterCount(config))]])
}

function shapeRows(config: ModelConfig): [string, string][] {
  const { numAttentionHeads: heads, numKeyValueHeads: kvHeads, headDim, hiddenSize } = config
  const windows = config.slidingWindows.filter(window => window !== null)
  const traits = [
    config.qkvBias && 'q/k/v bias',
    config.oBias && 'o bias',
    config.mlpBias && 'feed-forward bias',
    config.qkNorm && 'q/k norm',
    windows.length > 0 && `window of ${formatCount(windows[0]!)} tokens in ${windows.length} blocks`,
  ].filter(trait => typeof trait === 'string')
  return [
    ['family', [config.modelType, ...traits].join(', ')],
    ['blocks', String(config.numHiddenLayers)],
    ['hidden', `${formatCount(hiddenSize)} channels, ${formatCount(config.intermediateSize)} in the feed-forward half`],
    ['attention', `${heads} heads of ${headDim}, ${kvHeads} key/value heads`],
    [
      'context',
      `${formatCount(config.maxPositionEmbeddings)} tokens, rope theta ${formatCount(config.ropeTheta)}${scalingText(config)}`,
    ],
    [
      'vocabulary',
      `${formatCount(config.vocabSize)} tokens, ${config.tieWordEmbeddings ? 'head tied to the embeddings' : 'head of its own'}`,
    ],
    ['type', config.dtype],
  ]
}

function scalingText({ ropeScaling }: ModelConfig): string {
  return ropeScaling === null ? '' : `, ${ropeScaling.ropeType} scaling by ${ropeScaling.factor}`
}

function tokenizerRows(
  { engine, vocabSize, hash }: Extract<TokenizerReport, { engine: string }>,
  config: ModelConfig,
): [string, string][] {
  const beyond = vocabSize > config.vocabSize ? ` (the model has only ${formatCount(config.vocabSize)})` : ''
  return [
    ['engine', engine === 'rust' ? 'native (Rust)' : 'JavaScript'],
    ['tokens', formatCount(vocabSize) + beyond],
    ['hash', hash.slice(0, 16)],
  ]
}
