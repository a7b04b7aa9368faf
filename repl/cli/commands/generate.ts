import { Command } from 'commander'
import { generateText } from '../../../src/index.js'
import { addComputeOptions, type ComputeOptions, numberBetween, share, wholeNumber } from '../arguments.js'
import type { CommandContext } from '../context.js'
import { modelDirectory } from '../models.js'

const examples = `
Examples:
  llama-pro generate datasets/demo/base "The river"
  llama-pro generate runs/demo/model "function sum(" --temperature 0.8 --top-p 0.95 --seed 7

Only the continuation goes to stdout; on a terminal the prompt stands before it.`

interface Options extends ComputeOptions {
  maxNewTokens: number
  temperature: number
  topK?: number
  topP?: number
  seed: number
}

export function generateCommand(context: CommandContext): Command {
  return addComputeOptions(
    new Command('generate')
      .summary('continue a text')
      .description('Continues a text with a model and writes it as it is found.')
      .argument('<model>', 'model directory, or hf://owner/name[@revision]')
      .argument('<prompt>', 'the text to continue')
      .option('--max-new-tokens <n>', 'tokens to add at most', wholeNumber(1), 128)
      .option('--temperature <t>', '0 always takes the likeliest token', numberBetween(0, Infinity), 0)
      .option('--top-k <k>', 'draw from the k likeliest tokens only (default: all)', wholeNumber(1))
      .option('--top-p <p>', 'draw from the likeliest tokens that reach this probability (default: 1)', share)
      .option('--seed <n>', 'seed of the draws', wholeNumber(0), 0),
  )
    .addHelpText('after', examples)
    .action(async (model: string, prompt: string, options: Options) =>
      generate(context, { where: model, prompt, options }),
    )
}

async function generate(
  context: CommandContext,
  { where, prompt, options }: { where: string; prompt: string; options: Options },
): Promise<void> {
  const { out, io } = context
  const model = await modelDirectory(context, where)
  const started = Date.now()
  let text = ''
  if (out.isTTY) out.piece(out.style.dim(prompt))
  for await (const piece of generateText({ model, prompt, ...options, signal: io.signal })) {
    text += piece
    out.piece(piece)
  }
  out.piece('\n')
  out.document({ model: where, prompt, text, seconds: (Date.now() - started) / 1000 })
}
