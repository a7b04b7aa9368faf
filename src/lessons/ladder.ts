import { layerMap, layerMapsOfPlan } from '../expansion/layer-map.js'
import { planExpansion } from '../expansion/plan.js'
import { readProvenance } from '../expansion/provenance.js'
import { layerMapFigure } from '../plot/figures/blocks.js'
import { formatBytes, formatCount } from '../util/format.js'
import type { Lesson } from './lesson.js'
import type { LessonOptions, LessonSubject } from './subject.js'

/** Bytes a trained parameter needs in f32: weight, gradient, two moments. */
const TRAINED_BYTES = 16
const FROZEN_BYTES = 4

/** Lesson 1: the blocks on the residual line, and what more of them cost. */
export function ladder({ model, plan, trainable }: LessonSubject, { expansion }: LessonOptions): Lesson {
  const { config } = model
  const isExpanded = readProvenance(config) !== null
  const groups = largestDivisor(config.numHiddenLayers)
  const planned = expansion ? planExpansion(config, expansion) : plan
  const shown = planned ?? (isExpanded ? null : planExpansion(config, { groups }))
  const map = shown ? layerMapsOfPlan(config, shown).after : layerMap(config, { trainable })
  const { totalParameters, trainableParameters } = map
  const blocks = map.rows.map(({ layer, sourceLayer, isNew, isTrainable, parameters }) => ({
    layer,
    source: sourceLayer,
    added: isNew,
    trainable: isTrainable,
    parameters,
  }))
  const added = map.rows.filter(row => row.isNew)
  const bytes = TRAINED_BYTES * trainableParameters + FROZEN_BYTES * (totalParameters - trainableParameters)
  const verb = shown ? 'would get' : 'has'
  return {
    number: 1,
    name: 'ladder',
    title: 'The ladder of blocks',
    parts: [
      {
        kind: 'text',
        text: `Every block reads the residual stream and adds to it. The model ${verb} ${added.length} new blocks between its ${map.rows.length - added.length} old ones, each above the block that it is a copy of.`,
      },
      { kind: 'figure', figure: layerMapFigure({ blocks, totalParameters, trainableParameters }) },
      {
        kind: 'table',
        header: ['', ''],
        rows: [
          ['parameters', formatCount(totalParameters)],
          [
            'trained',
            `${formatCount(trainableParameters)} (${((100 * trainableParameters) / totalParameters).toFixed(1)} %)`,
          ],
          ['weights, gradients and moments in f32', formatBytes(bytes)],
          ['the same if everything were trained', formatBytes(TRAINED_BYTES * totalParameters)],
        ],
      },
    ],
  }
}

/** Groups that cut the blocks evenly, about one in two or three blocks. */
function largestDivisor(blocks: number): number {
  for (let groups = Math.ceil(blocks / 2); groups > 1; groups--) if (blocks % groups === 0) return groups
  return 1
}
