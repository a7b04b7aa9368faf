import { formatCount } from '../../util/format.js'
import {
  axis,
  type BarSeries,
  type ColorName,
  type Figure,
  type LegendEntry,
  type LineSeries,
  type TileSeries,
} from '../figure.js'
import { assignColors } from '../palette.js'
import { type CurveOptions, runsOf } from './curves.js'

/** One block of a model after expansion. */
export interface LayerMapBlock {
  layer: number
  /** The block of the base model that it is, or that it was copied from. */
  source: number
  added: boolean
  trainable: boolean
  parameters: number
}

export interface LayerMapInput {
  blocks: LayerMapBlock[]
  totalParameters: number
  trainableParameters: number
}

const kinds: { added: boolean; trainable: boolean; name: string; color: ColorName }[] = [
  { added: false, trainable: false, name: 'original, frozen', color: 'muted' },
  { added: false, trainable: true, name: 'original, trained', color: 'blue' },
  { added: true, trainable: true, name: 'added, trained', color: 'vermillion' },
  { added: true, trainable: false, name: 'added, frozen', color: 'orange' },
]

const EXPANDED_ROW = 0
const BASE_ROW = 1

function expandedTiles(blocks: LayerMapBlock[]): TileSeries[] {
  return kinds.flatMap(({ added, trainable, name, color }) => {
    const members = blocks.filter(block => block.added === added && block.trainable === trainable)
    const tiles = members.map(({ layer, source, parameters }) => ({
      x: layer,
      y: EXPANDED_ROW,
      text: String(layer),
      detail: `block ${layer}, ${name}, ${added ? 'copy of' : 'was'} block ${source}, ${formatCount(parameters)} parameters`,
    }))
    return tiles.length > 0 ? [{ kind: 'tile', name, group: name, color, label: null, tiles, faint: !trainable }] : []
  })
}

function baseTiles(blocks: LayerMapBlock[]): TileSeries {
  const tiles = blocks
    .filter(block => !block.added)
    .map(({ layer, source }) => ({
      x: layer,
      y: BASE_ROW,
      text: String(source),
      detail: `block ${source} of the base`,
    }))
  return { kind: 'tile', name: 'base', group: 'base', color: 'muted', label: null, tiles, faint: true }
}

/** Lines from each base block down to the blocks that come from it. */
function links(blocks: LayerMapBlock[]): LineSeries[] {
  const origin = new Map(blocks.filter(block => !block.added).map(block => [block.source, block.layer]))
  return blocks.map(({ layer, source, added }) => ({
    kind: 'line',
    name: `block ${source} to block ${layer}`,
    group: 'links',
    x: [origin.get(source) ?? null, layer],
    y: [BASE_ROW - 0.25, EXPANDED_ROW + 0.25],
    color: added ? 'vermillion' : 'muted',
    dash: 'solid',
    marker: 'none',
    faint: !added,
    label: null,
  }))
}

/** The blocks of a model before and after expansion, each added block tied to the block it was copied from. */
export function layerMapFigure({ blocks, totalParameters, trainableParameters }: LayerMapInput): Figure {
  const expanded = expandedTiles(blocks)
  const added = blocks.filter(block => block.added).length
  const share = totalParameters > 0 ? (100 * trainableParameters) / totalParameters : 0
  const legend = expanded.map(
    ({ name, color }): LegendEntry => ({ label: name, color, dash: 'solid', marker: 'none', swatch: 'area' }),
  )
  const panel = {
    title: '',
    xAxis: axis('block', { format: 'count' as const }),
    yAxis: axis('', { categories: ['expanded', 'base'] }),
    zeroLine: false,
    series: [...links(blocks), ...expanded, ...(blocks.length > 0 ? [baseTiles(blocks)] : [])],
    annotations: [],
    legend,
  }
  const caption = `${blocks.length - added} blocks + ${added} added = ${blocks.length}; ${formatCount(trainableParameters)} of ${formatCount(totalParameters)} parameters train (${share.toFixed(1)} %).`
  return { title: 'Layer map', caption, columns: 1, panels: [panel] }
}

/** What each added block of a run writes to the residual stream, relative to the stream it reads. */
export interface ContributionInput {
  run: string
  layers: number[]
  ratios: ArrayLike<number | null>
}

/** Contribution of the added blocks as bars over the block number, one colour per run. */
export function contributionFigure(
  inputs: ContributionInput[],
  { caption = '', allRuns }: Pick<CurveOptions, 'allRuns'> & { caption?: string } = {},
): Figure {
  const colors = assignColors(runsOf(inputs, allRuns))
  const layers = [...new Set(inputs.flatMap(input => input.layers))].sort((a, b) => a - b)
  const series = inputs.map(
    ({ run, layers: own, ratios }): BarSeries => ({
      kind: 'bar',
      name: run,
      group: run,
      x: own.map(layer => layers.indexOf(layer)),
      y: Array.from(ratios),
      color: colors.get(run)!,
      label: null,
    }),
  )
  const panel = {
    title: '',
    xAxis: axis('added block', { categories: layers.map(String) }),
    yAxis: axis('norm written / norm read', { min: 0 }),
    zeroLine: true,
    series,
    annotations: [],
    legend:
      inputs.length < 2
        ? []
        : series.map(
            ({ name, color }): LegendEntry => ({ label: name, color, dash: 'solid', marker: 'none', swatch: 'area' }),
          ),
  }
  return { title: 'Block contribution', caption, columns: 1, panels: [panel] }
}
