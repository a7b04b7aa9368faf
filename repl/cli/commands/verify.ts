import { Command } from 'commander'
import { formatCount, type VerifyResult, verifyModels } from '../../../src/index.js'
import { addComputeOptions, type ComputeOptions } from '../arguments.js'
import type { CommandContext } from '../context.js'
import { exitCodes } from '../exit-codes.js'
import { modelDirectory } from '../models.js'
import type { Output } from '../output.js'
import { pairs } from '../text.js'

const examples = `
Examples:
  llama-pro verify base expanded
  llama-pro verify base expanded --prompt "The river" "def main():"

Exit code 0 when the logits are equal bit for bit, 1 when they are not.`

export function verifyCommand(context: CommandContext): Command {
  return addComputeOptions(
    new Command('verify')
      .summary('prove that an expansion changed nothing')
      .description('Compares the logits of a base model and of its expansion, bit for bit on the same engine.')
      .argument('<base>', 'model directory, or hf://owner/name[@revision]')
      .argument('<expanded>', 'model directory, or hf://owner/name[@revision]')
      .option('--prompt <text...>', 'texts to compare on (default: built in)'),
  )
    .addHelpText('after', examples)
    .action(async (base: string, expanded: string, { prompt, ...compute }: ComputeOptions & { prompt?: string[] }) => {
      const { out, io } = context
      const directories = {
        base: await modelDirectory(context, base),
        expanded: await modelDirectory(context, expanded),
      }
      const prompts = prompt === undefined ? {} : { prompts: prompt }
      const result = await verifyModels({ ...directories, ...compute, ...prompts, signal: io.signal })
      out.document({ base, expanded, ...result })
      printVerdict(out, result)
      if (!result.identical) context.exitCode = exitCodes.failed
    })
}

/** Whether two models are the same function, and what was compared. */
export function printVerdict(
  out: Output,
  { identical, maxAbsDiff, positions, newLayers, reasons }: VerifyResult,
): void {
  const { green, red, bold } = out.style
  out.line(identical ? bold(green('identical')) : bold(red('not identical')))
  pairs(out, [
    ...(positions === 0 ? [] : comparison(positions, maxAbsDiff)),
    ['new blocks', newLayers.length > 0 ? newLayers.join(', ') : 'none'],
  ])
  for (const reason of reasons) out.line(`  ${red('-')} ${reason}`)
}

function comparison(positions: number, maxAbsDiff: number | null): [string, string][] {
  return [
    ['compared', `all logits at ${formatCount(positions)} positions`],
    [
      'largest difference',
      maxAbsDiff === 0 ? '0, bit for bit' : String(maxAbsDiff ?? 'none: not one position is finite'),
    ],
  ]
}
