import { join } from 'node:path'
import { Command } from 'commander'
import {
  formatTable,
  type LossUnit,
  type RunFigureName,
  runFigure,
  runFigureNames,
  summaryCells,
  summaryTable,
  type XUnit,
} from '../../../src/index.js'
import { oneOf } from '../arguments.js'
import type { CommandContext } from '../context.js'
import { type LoadedRun, loadRun, reportKind, terminalFigure, writeReport } from '../runs.js'

const examples = `
Examples:
  llama-pro plot runs/demo                                  a picture in the terminal
  llama-pro plot runs/demo runs/demo-full --unit bits       two runs on the same axes
  llama-pro plot runs/demo --out                            forgetting.svg and forgetting.html in runs/demo
  llama-pro plot runs/demo --figure trade-off --out trade-off.svg

Figures: ${runFigureNames.join(', ')}`

interface Options {
  out?: string | true
  figure?: RunFigureName
  x: XUnit
  unit: 'nats' | 'bits'
}

export function plotCommand(context: CommandContext): Command {
  return new Command('plot')
    .summary('loss and forgetting of runs')
    .description('Draws runs on the same axes: in the terminal, or as SVG and a page that needs no network.')
    .argument('<run...>', 'run directories')
    .option('--out [file]', 'write FILE (.svg, .html or .csv); without FILE the first two, beside the first run')
    .option('--figure <name>', 'which figure (default: dashboard)', oneOf(runFigureNames))
    .option('--x <axis>', 'step, tokens or seconds', oneOf(['step', 'tokens', 'seconds']), 'step')
    .option(
      '--unit <unit>',
      'of losses on held-out text: nats (a token) or bits (a byte)',
      oneOf(['nats', 'bits']),
      'nats',
    )
    .addHelpText('after', examples)
    .action((directories: string[], options: Options) => plot(context, directories, options))
}

function plot({ out }: CommandContext, directories: string[], { out: target, figure, x, unit }: Options): void {
  const files = targetFiles(target, directories[0]!)
  for (const file of files) reportKind(file)
  const runs: LoadedRun[] = directories.map(directory => loadRun(directory))
  const options = { x, unit: (unit === 'bits' ? 'bitsPerByte' : 'nats') as LossUnit }
  const drawn = runFigure(figure ?? 'dashboard', runs, options)
  for (const file of files) writeReport(file, runs, { ...options, ...(figure && { figure }) })
  const summary = summaryTable(runs).objects()
  out.document({
    runs: runs.map(({ name, directory }) => ({ name, directory })),
    summary,
    figure: drawn,
    written: files,
  })
  if (files.length > 0) for (const file of files) out.line(`wrote ${file}`)
  else {
    out.line(terminalFigure(out, drawn))
    const { header, rows } = summaryCells(runs)
    if (rows.length > 0) out.line(`\n${formatTable(header, rows)}`)
  }
}

function targetFiles(target: string | true | undefined, firstRun: string): string[] {
  if (target === undefined) return []
  return target === true ? ['svg', 'html'].map(kind => join(firstRun, `forgetting.${kind}`)) : [target]
}
