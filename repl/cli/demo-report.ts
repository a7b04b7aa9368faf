/** What the demo shows at its end: a plot, a table of both methods, and texts of all three models. */
import { join } from 'node:path'
import { generateText, modelFolder, type ProbeSummary, type RunResult, runFigure } from '../../src/index.js'
import type { CommandContext } from './context.js'
import type { Output } from './output.js'
import { loadRun, terminalFigure, writeReport } from './runs.js'
import { percent, signed, table } from './text.js'

export interface DemoResults {
  dir: string
  base: string
  expansion: RunResult
  full: RunResult
}

const unit = 'bitsPerByte'

/** Draws forgetting in the terminal and writes it as SVG and as a page; returns the paths of the files. */
export function drawReport(out: Output, { dir }: DemoResults): string[] {
  const runs = [loadRun(join(dir, 'expansion'), 'expansion'), loadRun(join(dir, 'full'), 'full fine-tuning')]
  out.line(terminalFigure(out, runFigure('forgetting', runs, { unit })))
  const svg = join(dir, 'forgetting.svg')
  const html = join(dir, 'forgetting.html')
  writeReport(svg, runs, { unit, figure: 'forgetting' })
  writeReport(html, runs, { unit })
  return [svg, html]
}

/** The table of both methods, and what it says about forgetting. */
export function printComparison(out: Output, { expansion, full }: DemoResults): void {
  const rows = expansion.probes.flatMap(ours => {
    const theirs = full.probes.find(({ probe }) => probe === ours.probe)
    if (!theirs) return []
    const cells = [ours, theirs].flatMap(({ bitsPerByteBefore: before, bitsPerByteAfter: after }) => [
      after.toFixed(3),
      signed(after - before),
    ])
    return [[ours.probe, ours.bitsPerByteBefore.toFixed(3), ...cells]]
  })
  out.line()
  table(out, ['bits/byte', 'base', 'expansion', 'change', 'full', 'change'], rows)
  const sentence = forgettingSentence(expansion, full)
  if (sentence !== null) out.line(`\n  ${sentence}`)
}

const change = ({ bitsPerByteBefore, bitsPerByteAfter }: ProbeSummary) => bitsPerByteAfter - bitsPerByteBefore

/** What the probe that full fine-tuning forgot most says of both methods; null when it forgot nothing. */
export function forgettingSentence(
  expansion: Pick<RunResult, 'probes'>,
  full: Pick<RunResult, 'probes'>,
): string | null {
  const [most] = [...full.probes].sort((a, b) => change(b) - change(a))
  const ours = expansion.probes.find(({ probe }) => probe === most?.probe)
  if (!most || !ours || change(most) <= 0) return null
  const lost = `Full fine-tuning lost ${change(most).toFixed(3)} bits/byte of "${most.probe}"`
  if (change(ours) <= 0) return `${lost}; the expansion lost nothing.`
  return `${lost}; the expansion ${change(ours).toFixed(3)}, ${percent(change(ours) / change(most), 0)} of it.`
}

/** Beginnings of the three kinds of text of the demo. */
const prompts = ['The river ran', 'export function sum(values: number[])', 'What is 12 + 30?']

/** Greedy texts of a small model only repeat themselves. */
const sampling = { maxNewTokens: 32, temperature: 0.7, topP: 0.95, seed: 1 }

export interface Sample {
  prompt: string
  /** Continuation by the name of the model. */
  texts: Record<string, string>
}

/** Continues a few texts with the base and both trained models. */
export async function printSamples(
  { out, io }: CommandContext,
  results: DemoResults,
  device: string,
): Promise<Sample[]> {
  const { dir, base } = results
  const models = {
    base,
    expansion: join(dir, 'expansion', modelFolder),
    full: join(dir, 'full', modelFolder),
  }
  const samples: Sample[] = []
  for (const prompt of prompts) {
    const texts: Record<string, string> = {}
    out.line(`  ${out.style.bold(prompt)}`)
    for (const [name, model] of Object.entries(models)) {
      let text = ''
      for await (const piece of generateText({ model, prompt, ...sampling, device, signal: io.signal })) text += piece
      texts[name] = text
      out.line(`    ${out.style.dim(name.padEnd(9))}  ${oneLine(text, out.width - 16)}`)
    }
    samples.push({ prompt, texts })
  }
  return samples
}

/** A text on one line of a terminal. */
function oneLine(text: string, columns: number): string {
  const flat = text.replace(/\s+/g, ' ').trim()
  return flat.length > columns ? `${flat.slice(0, columns - 1)}…` : flat
}
