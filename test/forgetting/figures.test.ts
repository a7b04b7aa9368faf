import { describe, expect, it } from 'vitest'
import type { LayerMap } from '../../src/expansion/layer-map.js'
import { type RunFigureName, runFigure, runFigureNames } from '../../src/forgetting/figures.js'
import { TrainColumns } from '../../src/forgetting/train-columns.js'
import type { BandSeries, LineSeries } from '../../src/plot/figure.js'
import { hasData } from '../../src/plot/scale.js'
import { renderSvg } from '../../src/plot/svg.js'
import { renderTerminal } from '../../src/plot/terminal.js'
import type { MetricInput } from '../../src/train/metrics.js'
import { contribution, event, numbered, probe, train } from './support.js'

const shift = { klToBaseNats: 0.1, unshifted: 0.9, marginal: 0.06, shifted: 0.04 }
const gradients = (step: number, norms: Record<string, number>): MetricInput => ({
  kind: 'gradient',
  step,
  tokens: step,
  seconds: step,
  norms,
})
const row = (layer: number, isNew: boolean) => ({ layer, sourceLayer: 0, isNew, isTrainable: isNew })
const layers: LayerMap = {
  rows: [row(0, false), row(1, true)].map(r => ({ ...r, parameters: 10, trainableParameters: 0, share: 0.5 })),
  otherParameters: 0,
  totalParameters: 20,
  trainableParameters: 10,
  selection: 'given',
}
const [down, query, norm] = ['mlp.down_proj.weight', 'self_attn.q_proj.weight', 'input_layernorm.weight']
const run = (name: string, forgotten: number) => ({
  name,
  layers,
  records: numbered([
    probe(0, 'general', 0, shift),
    probe(0, 'code', 0, shift),
    gradients(1, { [`model.layers.1.${down}`]: 3, [`model.layers.3.${down}`]: 4, [`model.layers.1.${query}`]: 0 }),
    train(1, 3, { python: 10, math: 5 }),
    gradients(2, { [`model.layers.1.${down}`]: 5, [`model.layers.1.${query}`]: 2, [`model.layers.1.${norm}`]: 1 }),
    event(1, 'resumed'),
    train(2, 2, { python: 20, math: 10 }),
    probe(2, 'general', forgotten, shift),
    probe(2, 'code', -0.4, shift),
    contribution(0, 4, 0),
    contribution(2, 4, 0.3),
    contribution(2, 9, 0.1),
  ]),
})
const one = [run('expansion', 0.01)]
const two = [...one, run('full', 0.5)]
const lineNamed = (name: RunFigureName, label: string, options = {}) =>
  runFigure(name, two, options)
    .panels.flatMap(panel => panel.series)
    .find((s): s is LineSeries => s.kind === 'line' && s.name === label)!

describe('runFigure', () => {
  it('makes every figure from the records of one or two runs, and an empty one from none', () => {
    for (const name of runFigureNames) {
      for (const runs of [one, two]) expect(hasData(runFigure(name, runs)), name).toBe(true)
      const empty = runFigure(name, [])
      expect(hasData(empty)).toBe(false)
      expect(renderSvg(empty)).toContain('no data yet')
      expect(renderTerminal(empty, { width: 60, height: 12 }).join('\n')).toContain('no data yet')
    }
  })

  it('draws the recorded deltas over steps, tokens or seconds', () => {
    expect(lineNamed('forgetting', 'general · full')).toMatchObject({ x: [0, 2], y: [0, 0.5], dash: 'dash' })
    expect(lineNamed('forgetting', 'general · full', { x: 'tokens' }).x).toEqual([0, 200])
    expect(lineNamed('forgetting', 'general · full', { x: 'seconds' }).x).toEqual([0, 4])
  })

  it('scales line and band together to bits per byte', () => {
    const factor = 100 / (400 * Math.LN2)
    const spec = runFigure('forgetting', one, { unit: 'bitsPerByte' })
    const band = spec.panels[0]!.series.find((s): s is BandSeries => s.kind === 'band')!
    expect(band.high[1]).toBeCloseTo(0.11 * factor, 12)
    expect(spec.panels[0]!.yAxis.unit).toBe('bits/byte')
  })

  it('draws no band where a probe has none, and its change all the same', () => {
    const noBand = { deltaLow: null, deltaHigh: null }
    const records = numbered([probe(0, 'general', 0, noBand), probe(2, 'general', 0.5, noBand)])
    const spec = runFigure('forgetting', [{ name: 'one document', records }])
    const { series } = spec.panels[0]!
    expect(series.filter(({ kind }) => kind === 'band')).toEqual([])
    expect(series.find((s): s is LineSeries => s.kind === 'line')!.y).toEqual([0, 0.5])
    expect(renderSvg(spec)).not.toContain('NaN')
  })

  it('sets what was learned against what was forgotten', () => {
    const path = lineNamed('trade-off', 'full')
    expect(path.x).toEqual([0, 0.4])
    expect(path.y).toEqual([0, 0.5])
    expect(runFigure('trade-off', two).panels[0]!.xAxis.label).toContain('code')
  })

  it('takes the first probe for the old domain where none is called general, or the one that is chosen', () => {
    const records = numbered(
      [0, 5].flatMap(step => [probe(step, 'prose', 0.02 * step), probe(step, 'sql', -0.1 * step)]),
    )
    const path = (options = {}) => {
      const { xAxis, yAxis, series } = runFigure('trade-off', [{ name: 'a', records }], options).panels[0]!
      const { x, y } = series[0] as LineSeries
      return { labels: [xAxis.label, yAxis.label], last: [x.at(-1), y.at(-1)] }
    }
    expect(path().labels).toEqual([expect.stringContaining('sql'), expect.stringContaining('prose')])
    expect(path().last).toEqual([0.5, 0.1])
    const chosen = path({ forgottenProbe: 'sql' })
    expect(chosen.labels).toEqual([expect.stringContaining('prose'), expect.stringContaining('sql')])
    expect(chosen.last).toEqual([-0.1, -0.5])
  })

  it('shows the contributions of the last evaluation', () => {
    expect(runFigure('contribution', one).panels[0]!.series[0]).toMatchObject({ kind: 'bar', y: [0.3, 0.1] })
  })

  it('draws one gradient norm for each kind of matrix, over all blocks, without a point where there is no gradient', () => {
    const lines = runFigure('gradient-matrices', one).panels[0]!.series as LineSeries[]
    expect(Object.fromEntries(lines.map(line => [line.name, line.y]))).toEqual({
      down_proj: [5, 5],
      q_proj: [null, 2],
      norms: [null, 1],
    })
    expect(new Set(lines.map(line => line.color)).size).toBe(3)
  })

  it('maps the layers of each run that knows them', () => {
    expect(runFigure('layer-map', one).caption).toContain('1 blocks + 1 added = 2')
    expect(runFigure('layer-map', two).panels.map(panel => panel.title)).toEqual(['expansion', 'full'])
    expect(runFigure('layer-map', [one[0]!, { name: 'old', records: [] }]).panels).toHaveLength(1)
  })

  it('draws the same from columns as from records', () => {
    const train = new TrainColumns()
    for (const record of one[0]!.records) if (record.kind === 'train') train.push(record)
    const byColumn = { ...one[0]!, records: one[0]!.records.filter(record => record.kind !== 'train'), train }
    for (const name of ['loss', 'gradients', 'throughput', 'mix', 'dashboard'] as const)
      expect(JSON.stringify(runFigure(name, [byColumn])), name).toBe(JSON.stringify(runFigure(name, one)))
  })

  it('keeps the colours of runs when others are hidden', () => {
    const colorOf = (shown: typeof two) =>
      runFigure('loss', shown, { smoothing: 0, allRuns: ['expansion', 'full', 'lora'] }).panels[0]!.series.find(
        series => series.name === 'full',
      )!.color
    expect(colorOf([two[1]!])).toBe(colorOf(two))
  })

  it('marks a resume of a single run only', () => {
    expect(runFigure('loss', one).panels[0]!.annotations).toEqual([{ kind: 'vline', x: 1, text: 'resumed' }])
    expect(runFigure('loss', two).panels[0]!.annotations).toEqual([])
  })

  it('keeps apart runs of the same name', () => {
    const names = runFigure('loss', [...one, ...one], { smoothing: 0 }).panels[0]!.series.map(series => series.name)
    expect(names).toEqual(['expansion', 'expansion (2)'])
  })

  it('names the nearest figure for a mistyped one', () => {
    expect(() => runFigure('forgeting' as RunFigureName, one)).toThrow(/Did you mean "forgetting"/)
    expect(() => runFigure('constructor' as RunFigureName, one)).toThrow(/Expected a figure/)
  })
})
