import { runFigure } from '../forgetting/figures.js'
import type { RunRecords } from '../forgetting/tables.js'
import type { Figure } from '../plot/figure.js'
import { combineFigures } from '../plot/figures/combine.js'

/**
 * The one figure of a comparison: what each method has learned against what it has forgotten, its forgetting over the
 * run, and its training loss. A method has the same colour in all panels.
 * @param forgotten the probe that stands for what should be kept; null when there are no probes
 */
export function comparisonFigure(runs: readonly RunRecords[], { forgotten }: { forgotten: string | null }): Figure {
  const loss = runFigure('loss', runs)
  if (forgotten === null) return { ...loss, title: 'Methods compared' }
  const isKept = (record: RunRecords['records'][number]) => record.kind !== 'probe' || record.probe === forgotten
  const kept = runs.map(({ name, records }) => ({ name, records: records.filter(isKept) }))
  const options = { forgottenProbe: forgotten }
  return combineFigures(
    'Methods compared',
    [runFigure('trade-off', runs, options), runFigure('forgetting', kept), loss],
    3,
  )
}
