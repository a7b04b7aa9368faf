/** The main job of the lab on the embedded demo, from the base model to the plot of what was forgotten. */
import { join } from 'node:path'
import { Command } from 'commander'
import {
  formatCount,
  formatDuration,
  freeRunName,
  LabError,
  loadRecipe,
  modelFolder,
  packageRoot,
  planExpansion,
  type Recipe,
  type RunResult,
  readModelConfig,
  verifyModels,
} from '../../../src/index.js'
import { deviceOption } from '../arguments.js'
import type { CommandContext } from '../context.js'
import { type DemoResults, drawReport, printComparison, printSamples } from '../demo-report.js'
import { usageError } from '../exit.js'
import { exitCodes } from '../exit-codes.js'
import { modelDirectory } from '../models.js'
import { pairs } from '../text.js'
import { expandInto } from './expand.js'
import { printShape } from './inspect.js'
import { trainRecipe } from './train.js'
import { printVerdict } from './verify.js'

interface Options {
  out?: string
  recipe: string
  fullRecipe: string
  device: string
}

const recipes = join(packageRoot(), 'datasets', 'recipes')

export function demoCommand(context: CommandContext): Command {
  return new Command('demo')
    .description('Does the whole method on the embedded demo and compares it with full fine-tuning.')
    .option('--out <dir>', 'where models, runs and plots go (default: runs/demo, or runs/demo-2, ...)')
    .option('--recipe <file>', 'recipe of the expansion', join(recipes, 'demo.yaml'))
    .option('--full-recipe <file>', 'recipe of full fine-tuning on the same data', join(recipes, 'demo-full.yaml'))
    .addOption(deviceOption())
    .action(async (options: Options) => demo(context, options))
}

async function demo(context: CommandContext, options: Options): Promise<void> {
  const { out } = context
  const started = Date.now()
  const dir = options.out ?? join('runs', freeRunName('runs', 'demo'))
  const recipe = loadRecipe(options.recipe)
  if (recipe.model === undefined || recipe.expansion === undefined)
    throw usageError(`${options.recipe}: the demo needs a recipe with "model" and "expansion"`)
  const base = await modelDirectory(context, recipe.model)
  await expandAndVerify(context, { base, recipe, dir, device: options.device })
  const expansion = await train(context, { title: '3  Train the new blocks, the base frozen', recipe, dir, options })
  if (expansion.status === 'interrupted') return
  const fullRecipe = loadRecipe(options.fullRecipe)
  const full = await train(context, {
    title: '4  For comparison: train every parameter on the same data',
    recipe: fullRecipe,
    dir,
    options,
  })
  if (full.status === 'interrupted') return
  const results: DemoResults = { dir, base, expansion, full }
  out.heading('5  What was learned and what was forgotten')
  const written = drawReport(out, results)
  printComparison(out, results)
  out.heading('6  The same beginnings, continued by each model')
  const samples = await printSamples(context, results, options.device)
  out.heading(`Done in ${formatDuration((Date.now() - started) / 1000)}`)
  pairs(out, [
    ['model', join(dir, 'expansion', modelFolder)],
    ['plots', written.join(', ')],
    ['next', 'npm start -- --help'],
  ])
  out.document({ directory: dir, expansion, full, samples, written })
}

interface Setting {
  base: string
  recipe: Recipe
  dir: string
  device: string
}

/** Shows the base, writes its expansion, and proves that it is the same function. */
async function expandAndVerify(context: CommandContext, { base, recipe, dir, device }: Setting): Promise<void> {
  const { out, io } = context
  const config = await readModelConfig(base)
  out.line('Block expansion (LLaMA Pro, arXiv 2401.02415) teaches a small English model code and arithmetic;')
  out.line('then full fine-tuning does the same, and both are asked what they have forgotten.')
  out.heading('1  A small model that knows English')
  printShape(out, config)
  out.heading('2  New blocks that change nothing yet')
  const plan = planExpansion(config, recipe.expansion!)
  const expanded = join(dir, 'expanded')
  await expandInto(context, { from: base, to: expanded, plan })
  out.line()
  const verdict = await verifyModels({ base, expanded, device, signal: io.signal })
  printVerdict(out, verdict)
  if (!verdict.identical)
    throw new LabError('NOT_IDENTICAL', `${expanded} is not the same function as ${base}; the reasons stand above.`)
}

interface Training {
  title: string
  recipe: Recipe
  dir: string
  options: Options
}

async function train(context: CommandContext, { title, recipe, dir, options }: Training): Promise<RunResult> {
  const { out } = context
  out.heading(title)
  const name = recipe.method
  const run = join(dir, name)
  const result = await trainRecipe(context, recipe, { out: run, device: options.device, quiet: true, label: name })
  const { status, step, steps, tokens, seconds } = result
  out.line(
    `  ${formatCount(step)} of ${formatCount(steps)} steps, ${formatCount(tokens)} tokens in ${formatDuration(seconds)}`,
  )
  if (status === 'interrupted') {
    out.line('  interrupted; run the demo again to start it anew')
    context.exitCode = exitCodes.interrupted
    out.document({ directory: dir, [name]: result })
  }
  return result
}
