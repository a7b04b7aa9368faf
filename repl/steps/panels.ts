/** Panels of `:step`: the expansion of the live model, one idea a panel. */

import type { Lab } from '../../src/index.js'
import { layerMapText, planText, renderTerminal, trainableTableText } from '../../src/index.js'

export interface PanelSize {
  columns: number
  rows: number
  color: boolean
}

/** One panel: what it shows is computed when it is opened. */
export interface StepPanel {
  title: string
  lines(lab: Lab, size: PanelSize): Promise<string[]> | string[]
}

const needsModel = ['No model is loaded yet: :load demo']
const needsExpansion = ['The model has no new blocks yet: :plan groups=3, then :expand']

const textLines = (text: string) => text.split('\n')

const isExpanded = (lab: Lab) => lab.isLoaded && lab.layers().rows.some(row => row.isNew)

/** Blocks from the top down on the residual line, the new ones beside it. */
function ladder(lab: Lab): string[] {
  if (!lab.isLoaded) return needsModel
  const { rows } = lab.layers()
  const rungs = [...rows].reverse().map(row => {
    const state = row.isTrainable ? 'trained' : 'frozen'
    return row.isNew
      ? `   │─[ block ${row.layer} ]  copy of ${row.sourceLayer}, ${state}`
      : ` [ block ${row.layer} ]  ${state}`
  })
  return ['   ▲ logits', ...rungs, '   │ embeddings']
}

function plan(lab: Lab): string[] {
  if (!lab.isLoaded) return needsModel
  if (lab.currentPlan) return textLines(planText(lab.currentPlan))
  return isExpanded(lab) ? textLines(layerMapText(lab.layers())) : ['No plan yet: :plan groups=3']
}

const zeroed = ['self_attn.o_proj.weight', 'mlp.down_proj.weight']
const copied = ['self_attn.q_proj.weight', 'mlp.gate_proj.weight', 'input_layernorm.weight']

/** Every matrix of the first new block against the one it was copied from. */
async function copy(lab: Lab): Promise<string[]> {
  if (!isExpanded(lab)) return lab.isLoaded ? needsExpansion : needsModel
  const { rows } = lab.layers()
  const block = rows.find(row => row.isNew)!
  const source = rows.find(row => !row.isNew && row.sourceLayer === block.sourceLayer)!
  const lines = [`block ${block.layer} and block ${source.layer}, which it was copied from:`, '']
  for (const name of [...copied, ...zeroed]) {
    const [ours, theirs] = await Promise.all([block, source].map(row => weights(lab, row.layer, name)))
    const isZero = ours!.every(value => value === 0)
    const isEqual = ours!.every((value, i) => value === theirs![i])
    lines.push(`  ${name.padEnd(26)} ${isZero ? 'all zero' : isEqual ? 'equal, bit for bit' : 'changed by training'}`)
  }
  return [...lines, '', 'o_proj and down_proj write to the residual stream: with both at zero, x + 0 + 0 = x.']
}

async function weights(lab: Lab, layer: number, name: string): Promise<number[]> {
  const stored = lab.model.parameter(`model.layers.${layer}.${name}`).value.cast('f32')
  return Array.from((await stored.data()) as Float32Array)
}

async function proof(lab: Lab): Promise<string[]> {
  if (!isExpanded(lab)) return lab.isLoaded ? needsExpansion : needsModel
  const prompt = 'The river ran'
  const report = await lab.verify(prompt)
  const verdict = report.identical
    ? 'identical, bit for bit'
    : `logits differ by up to ${report.maxAbsDiff.toPrecision(3)}: the new blocks have been trained`
  return [
    `prompt: "${prompt}" and random tokens, ${report.positions} positions`,
    `live model against its base: ${verdict}`,
    ...(report.gatesClosed
      ? [
          `with the gates of the new blocks at 0: ${report.gatesClosed.identical ? 'identical, bit for bit' : 'different'}`,
        ]
      : []),
  ]
}

function freeze(lab: Lab): string[] {
  return lab.isLoaded ? textLines(trainableTableText(lab.trainable())) : needsModel
}

function training(lab: Lab, { columns, rows, color }: PanelSize): string[] {
  if (!lab.run) return ['No run yet: :train']
  return [lab.run.statusLine(), ...renderTerminal(lab.plot('forgetting'), { width: columns, height: rows - 1, color })]
}

export const stepPanels: readonly StepPanel[] = [
  { title: 'The ladder: blocks on the residual line', lines: ladder },
  { title: 'The plan: where copies go', lines: plan },
  { title: 'Copy, and zero two matrices', lines: copy },
  { title: 'Proof: the same function', lines: proof },
  { title: 'Freeze: what training may change', lines: freeze },
  { title: 'Train: what is learned and what is forgotten', lines: training },
]
