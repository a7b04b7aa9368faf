import { Command } from 'commander'
import {
  type ExpandCheckpointOptions,
  type ExpansionOptions,
  type ExpansionPlan,
  expandCheckpoint,
  formatBytes,
  formatDuration,
  type LayerMap,
  layerMap,
  layerMapText,
  newLayersOf,
  planExpansion,
  planText,
  readModelConfig,
} from '../../../src/index.js'
import { byteCount, layerList, wholeNumber } from '../arguments.js'
import type { CommandContext } from '../context.js'
import { usageError } from '../exit.js'
import { modelDirectory } from '../models.js'
import type { Output } from '../output.js'
import { indented, pairs } from '../text.js'

const examples = `
Examples:
  llama-pro expand base expanded --groups 8                       the paper's way: a copy on top of each group
  llama-pro expand base expanded --groups 4 --copies 2
  llama-pro expand base expanded --groups 4 --placement suffix    all copies above the last block
  llama-pro expand base expanded --at 4,9,14                      new blocks at these indices
  llama-pro expand hf://HuggingFaceTB/SmolLM2-135M expanded --groups 6`

interface Options {
  groups?: number
  copies?: number
  placement?: string
  at?: number[]
  overwrite?: boolean
  keepEarlier?: boolean
  maxShardBytes?: number
}

export function expandCommand(context: CommandContext): Command {
  return new Command('expand')
    .summary('add identity blocks to a model')
    .description(
      'Copies blocks of a model into new ones that change nothing yet (o_proj and down_proj are zero), and writes the expanded model as a complete directory.',
    )
    .argument('<in>', 'model directory, or hf://owner/name[@revision]')
    .argument('<out>', 'directory to write')
    .option('--groups <n>', 'groups that the blocks are cut into', wholeNumber(1))
    .option('--copies <p>', 'new blocks a group (default: 1)', wholeNumber(1))
    .option('--placement <where>', 'interleaved, prefix or suffix (default: interleaved)')
    .option('--at <i,j,...>', 'instead of groups: indices of the new blocks after expansion', layerList)
    .option('--overwrite', 'replace a model that is already in <out>')
    .option('--keep-earlier', 'count the new blocks of an earlier expansion as new still')
    .option('--max-shard-bytes <bytes>', 'size limit of a weight file (default: 5GB)', byteCount)
    .addHelpText('after', examples)
    .action(async (from: string, to: string, options: Options) => expand(context, { from, to, options }))
}

/** The library checks the plan; only what cannot be said to it is checked here. */
function planOptions({ groups, copies, placement, at }: Options): ExpansionOptions {
  if ((groups === undefined) === (at === undefined))
    throw usageError('expected either --groups N or --at I,J,... to say where the new blocks go')
  const chosen = { groups, copies, placement, at }
  return Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== undefined)) as ExpansionOptions
}

interface Request {
  from: string
  to: string
  options: Options
}

async function expand(context: CommandContext, { from, to, options }: Request): Promise<void> {
  const wanted = planOptions(options)
  const directory = await modelDirectory(context, from)
  const plan = planExpansion(await readModelConfig(directory), wanted)
  const { overwrite, keepEarlier, maxShardBytes } = options
  const saving = {
    ...(overwrite && { overwrite }),
    ...(keepEarlier && { keepEarlier }),
    ...(maxShardBytes !== undefined && { maxShardBytes }),
  }
  context.out.heading('Plan')
  const result = await expandInto(context, { from: directory, to, plan, saving })
  context.out.document({ from, ...result })
}

export interface ExpandRequest {
  from: string
  to: string
  plan: ExpansionPlan
  saving?: ExpandCheckpointOptions
}

/** Expands one directory into another and shows the plan, the blocks before and after, and what was written. */
export async function expandInto({ out, io }: CommandContext, { from, to, plan, saving }: ExpandRequest) {
  const before = layerMap(await readModelConfig(from))
  printPlan(out, plan, before)
  const started = Date.now()
  let bytes = 0
  const expanded = await out.progress({ label: 'writing', unit: 'bytes' }, progress =>
    expandCheckpoint(from, to, plan, {
      ...saving,
      signal: io.signal,
      onProgress: ({ bytesDone, bytesTotal }) => progress.update((bytes = bytesDone), { total: bytesTotal }),
    }),
  )
  const after = layerMap(expanded.config)
  const seconds = (Date.now() - started) / 1000
  printWritten(out, { after, to, files: expanded.files, bytes, seconds })
  return { directory: to, plan, newLayers: newLayersOf(plan), before, after, files: expanded.files, bytes, seconds }
}

function printPlan(out: Output, plan: ExpansionPlan, before: LayerMap): void {
  out.line(indented(planText(plan)))
  out.heading('Blocks before')
  out.line(indented(layerMapText(before)))
}

interface Written {
  after: LayerMap
  to: string
  files: string[]
  bytes: number
  seconds: number
}

function printWritten(out: Output, { after, to, files, bytes, seconds }: Written): void {
  out.heading('Blocks after')
  out.line(indented(layerMapText(after)))
  out.heading('Written')
  pairs(out, [
    ['directory', to],
    ['files', files.join(', ')],
    ['weights', `${formatBytes(bytes)} in ${formatDuration(seconds)}`],
  ])
}
