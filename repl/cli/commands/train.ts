import { Command } from 'commander'
import {
  formatCount,
  formatDuration,
  leftOutText,
  loadRecipe,
  type Recipe,
  type RunResult,
  runRecipe,
} from '../../../src/index.js'
import { addTrainingOptions, runSettings, type TrainingOptions } from '../arguments.js'
import type { CommandContext } from '../context.js'
import { exitCodes } from '../exit-codes.js'
import { modelDirectory } from '../models.js'
import type { Output } from '../output.js'
import { pairs } from '../text.js'
import { printProbes, TrainView } from '../train-view.js'

const examples = `
Examples:
  llama-pro train datasets/recipes/demo.yaml --out runs/demo
  llama-pro train datasets/recipes/demo.yaml --out runs/demo --resume

Ctrl-C ends the step, writes a checkpoint and leaves with exit code 130; --resume goes on from there.
Every field of a recipe is explained in the recipes of datasets/recipes.`

export function trainCommand(context: CommandContext): Command {
  return addTrainingOptions(
    new Command('train')
      .summary('train by a recipe and watch what is forgotten')
      .description(
        'Runs a recipe: expands when it says so, trains, measures forgetting on the way, and saves the model.',
      )
      .argument('<recipe>', 'recipe file (.yaml)')
      .requiredOption('--out <run>', 'run directory')
      .option('--resume', 'go on from the newest checkpoint of the run'),
  )
    .option('--tensorboard', 'write event files for TensorBoard to RUN/tensorboard')
    .addHelpText('after', examples)
    .action(async (recipe: string, options: TrainingOptions) => train(context, recipe, options))
}

async function train(context: CommandContext, path: string, options: TrainingOptions): Promise<void> {
  const { out } = context
  const { precision, ...settings } = runSettings(options)
  const recipe = loadRecipe(path)
  const result = await trainRecipe(context, precision === undefined ? recipe : { ...recipe, precision }, settings)
  out.document({ run: options.out, recipe: path, ...result })
  printResult(out, options.out, result)
  if (result.status === 'interrupted') context.exitCode = exitCodes.interrupted
}

type RunSetting = ReturnType<typeof runSettings<TrainingOptions>>

/** Runs a recipe and shows it. */
export async function trainRecipe(
  context: CommandContext,
  recipe: Recipe,
  { quiet = false, label = 'training', ...options }: RunSetting & { quiet?: boolean; label?: string },
): Promise<RunResult> {
  const { out, io } = context
  // a model of the hub is fetched here, under a progress bar; the run then finds it in the cache
  if (recipe.model !== undefined) await modelDirectory(context, recipe.model)
  const view = new TrainView(out, { quiet })
  return view.follow(label, () => runRecipe({ recipe, ...options, signal: io.signal, events: view.events }))
}

function printResult(out: Output, run: string, result: RunResult): void {
  const { status, step, steps, tokens, seconds, modelDir, probes, sources } = result
  if (status === 'interrupted') {
    const state = step === 0 ? 'before the first step' : `after step ${step} of ${steps}; the checkpoint is written`
    out.line(`\ninterrupted ${state}`)
    out.line(`go on with the same command and ${out.style.bold('--resume')}`)
    return
  }
  out.heading('Done')
  pairs(out, [
    ['steps', `${formatCount(step)}, ${formatCount(tokens)} tokens in ${formatDuration(seconds)}`],
    ['run', run],
    ...(modelDir === null ? [] : [['model', modelDir] as const]),
    ...sources.flatMap(source => {
      const text = leftOutText(source)
      return text === null ? [] : [[source.source, text] as const]
    }),
  ])
  if (probes.length === 0) return
  out.heading('Held-out text')
  printProbes(out, result)
}
