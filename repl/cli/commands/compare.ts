import { join } from 'node:path'
import { Command } from 'commander'
import {
  type Comparison,
  comparedNames,
  compareMethods,
  comparisonCells,
  comparisonNote,
  loadRecipe,
} from '../../../src/index.js'
import { addTrainingOptions, runSettings, type TrainingOptions } from '../arguments.js'
import type { CommandContext } from '../context.js'
import { exitCodes } from '../exit-codes.js'
import { terminalFigure } from '../runs.js'
import { table } from '../text.js'
import { trainRecipe } from './train.js'

const examples = `
Examples:
  llama-pro compare datasets/recipes/demo-compare.yaml --out runs/compare
  llama-pro compare datasets/recipes/demo.yaml --methods expansion,full,lora,existing,moe --out runs/five
  llama-pro compare datasets/recipes/demo.yaml --methods interleaved,prefix,suffix --out runs/placement --resume

Methods: ${comparedNames.join(', ')}.
Every method trains on the same batches in the same order, with the same steps and probes. Each run is a directory of its
own in --out; the table and the figure are comparison.txt, .csv, .json, .svg and .html beside them. --resume keeps what is
complete and goes on with the rest.`

interface Options extends TrainingOptions {
  methods?: string[]
}

export function compareCommand(context: CommandContext): Command {
  return addTrainingOptions(
    new Command('compare')
      .summary('train by several methods on the same data')
      .description('Runs a recipe by several methods one after another, and writes one table and one figure.')
      .argument('<recipe>', 'recipe file (.yaml)')
      .option('--methods <names>', 'methods with commas between them (default: those of the recipe)', nameList)
      .requiredOption('--out <dir>', 'directory of the runs and the comparison')
      .option('--resume', 'keep complete runs and go on with the rest'),
  )
    .option('--tensorboard', 'write event files for TensorBoard to each run')
    .addHelpText('after', examples)
    .action((recipe: string, options: Options) => compare(context, recipe, options))
}

function nameList(text: string): string[] {
  return text.split(',').map(name => name.trim())
}

async function compare(context: CommandContext, path: string, options: Options): Promise<void> {
  const { out, io } = context
  const { device, precision, ...others } = runSettings(options)
  const recipe = loadRecipe(path)
  const result = await compareMethods({
    ...others,
    device,
    recipe: precision === undefined ? recipe : { ...recipe, precision },
    signal: io.signal,
    run: (method, { recipe: own, ...given }) => {
      out.heading(`Method ${method}`)
      return trainRecipe(context, own, { ...given, device, label: method, quiet: true })
    },
    onSkipped: method => out.line(`${method}: complete already, in ${join(options.out, method)}`),
  })
  out.document({ recipe: path, out: options.out, ...result })
  printComparison(context, result)
}

function printComparison(context: CommandContext, { status, rows, figure, files }: Comparison): void {
  const { out } = context
  if (status === 'interrupted' || !figure) {
    out.line(`\ninterrupted; go on with the same command and ${out.style.bold('--resume')}`)
    context.exitCode = exitCodes.interrupted
    return
  }
  out.heading('Methods compared')
  const { header, rows: cells } = comparisonCells(rows)
  table(out, header, cells)
  out.line(`\n${comparisonNote(rows)}\n`)
  if (out.isTTY) out.line(terminalFigure(out, figure))
  for (const file of files) out.line(`wrote ${file}`)
}
