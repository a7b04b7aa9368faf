import { Command } from 'commander'
import { evaluateModel, formatCount } from '../../../src/index.js'
import { addComputeOptions, type ComputeOptions, type NamedPath, namedPath, wholeNumber } from '../arguments.js'
import type { CommandContext } from '../context.js'
import { modelDirectory } from '../models.js'
import { table } from '../text.js'

const examples = `
Examples:
  llama-pro eval datasets/demo/base --probe general=datasets/demo/general.yaml
  llama-pro eval runs/demo/model --probe code=held-out.jsonl.zst math='math/*.parquet' --max-tokens 65536

PATH is a manifest (.yaml), a data file (.jsonl, .jsonl.gz, .jsonl.zst, .parquet, .txt) or a glob of them.`

interface Options extends ComputeOptions {
  probe: NamedPath[]
  maxTokens?: number
  seqLen?: number
}

export function evalCommand(context: CommandContext): Command {
  return addComputeOptions(
    new Command('eval')
      .summary('loss of a model on held-out text')
      .description('Measures the loss of a model on held-out sets, in nats a token and bits a byte.')
      .argument('<model>', 'model directory, or hf://owner/name[@revision]')
      .requiredOption('--probe <name=path...>', 'held-out sets to score', namedPath)
      .option('--max-tokens <n>', 'tokens scored at most in each set', wholeNumber(1))
      .option('--seq-len <n>', 'tokens a row', wholeNumber(2)),
  )
    .addHelpText('after', examples)
    .action(async (model: string, options: Options) => evaluate(context, model, options))
}

async function evaluate(context: CommandContext, where: string, options: Options): Promise<void> {
  const { out, io } = context
  const model = await modelDirectory(context, where)
  const { probe: probes, ...settings } = options
  const scores = await out.progress({ label: 'scoring' }, progress =>
    evaluateModel({
      model,
      probes,
      ...settings,
      signal: io.signal,
      onProgress: (done, total) => progress.update(done, { total }),
    }),
  )
  out.document({ model: where, probes: scores })
  const rows = scores.map(({ probe, bitsPerByte, lossNats, tokensScored, bytesScored }) => [
    probe,
    bitsPerByte.toFixed(4),
    lossNats.toFixed(4),
    formatCount(tokensScored),
    formatCount(bytesScored),
  ])
  table(out, ['probe', 'bits/byte', 'nats/token', 'tokens', 'bytes'], rows)
}
