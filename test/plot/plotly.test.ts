import { describe, expect, it } from 'vitest'
import { axis } from '../../src/plot/figure.js'
import { layerMapFigure } from '../../src/plot/figures/blocks.js'
import { combineFigures } from '../../src/plot/figures/combine.js'
import type { Curve } from '../../src/plot/figures/curves.js'
import { forgettingFigure, tradeOffFigure } from '../../src/plot/figures/forgetting.js'
import { trainingLossFigure } from '../../src/plot/figures/training.js'
import { toPlotly } from '../../src/plot/plotly.js'
import { band, figure, hostileNames, line, panel } from './support.js'

const curve = (run: string, name: string): Curve => ({
  run,
  name,
  x: [0, 1, 2],
  y: [0, -1, -2],
  low: [0, -2, -3],
  high: [0, 0, -1],
})

describe('toPlotly', () => {
  it('gives a line with its band, shown and hidden together, one key in the legend', () => {
    const { data } = toPlotly(forgettingFigure([curve('a', 'code')]))
    expect(data.map(trace => [trace['name'], trace['showlegend'], trace['fill'], trace['legendgroup']])).toEqual([
      ['code (confidence band)', false, undefined, 'code'],
      ['code (confidence band)', false, 'tonexty', 'code'],
      ['code', true, undefined, 'code'],
    ])
    expect(data[2]).toMatchObject({ mode: 'lines+markers', x: [0, 1, 2], y: [0, -1, -2], connectgaps: false })
  })

  it('puts panels side by side on their own axes, with one key for a run in both', () => {
    const loss = trainingLossFigure([curve('a', 'loss'), curve('b', 'loss')], { smoothing: 0 })
    const { data, layout } = toPlotly(combineFigures('Both', [loss, loss]))
    expect(new Set(data.map(trace => `${trace['xaxis']}${trace['yaxis']}`))).toEqual(new Set(['xy', 'x2y2']))
    expect(data.filter(trace => trace['showlegend'] === true).map(trace => trace['name'])).toEqual(['a', 'b'])
    const [left, right] = [layout['xaxis'], layout['xaxis2']] as { domain: number[] }[]
    expect(left!.domain[1]).toBeLessThan(right!.domain[0]!)
  })

  it('is plain JSON, and numbers that cannot be drawn are null', () => {
    const built = toPlotly(trainingLossFigure([{ run: 'a', name: 'loss', x: [0, 1], y: [Number.NaN, 2] }]))
    expect(JSON.parse(JSON.stringify(built))).toEqual(built)
    expect(built.data.at(-1)!['y']).toEqual([null, 2])
  })

  it('maps scales, fixed ends and categories', () => {
    const xAxis = axis('x', { scale: 'log', min: 10, max: 1000 })
    const yAxis = axis('y', { categories: ['<a>', 'b'], min: 0 })
    const { layout } = toPlotly(figure([panel({ xAxis, yAxis, series: [line([10, 100], [0, 1])] })]))
    expect(layout['xaxis']).toMatchObject({ type: 'log', range: [1, 3] })
    expect(layout['yaxis']).toMatchObject({
      ticktext: ['&lt;a&gt;', 'b'],
      autorangeoptions: { clipmin: 0, include: 0 },
    })
    const zero = toPlotly(figure([panel({ xAxis: axis('x', { scale: 'log', min: 0 }) })])).layout['xaxis']
    expect(JSON.stringify(zero)).not.toContain('autorangeoptions')
  })

  it('unites hovers over a common x, and not along a path that turns back', () => {
    expect(toPlotly(forgettingFigure([curve('a', 'code')])).layout['hovermode']).toBe('x unified')
    const path = { run: 'a', learned: [0, 2, 1], forgotten: [0, 1, 2] }
    const spec = tradeOffFigure([path], { learnedFrom: 'code', forgottenFrom: 'general' })
    expect(toPlotly(spec).layout['hovermode']).toBe('closest')
  })

  it('lets no markup of a name through, and offers no upload', () => {
    for (const name of hostileNames) {
      const series = [line([0, 1], [1, 2], { name }), { ...band([0, 1], [1, 2], [2, 3]), name }]
      const annotations = [
        { kind: 'note' as const, text: name },
        { kind: 'vline' as const, x: 1, text: name },
      ]
      const { data, layout, config } = toPlotly(figure([panel({ title: name, series, annotations })], { title: name }))
      const texts = [layout['title'], layout['annotations'], data.map(trace => [trace['name'], trace['legendgroup']])]
      expect(JSON.stringify(texts).replaceAll(/<\/?b>/g, '')).not.toMatch(/[<>]/)
      expect(config).toMatchObject({ showSendToCloud: false, plotlyServerURL: '' })
    }
  })

  it('names the blocks of a layer map by whole numbers', () => {
    const blocks = Array.from({ length: 40 }, (_, layer) => ({
      layer,
      source: layer,
      added: false,
      trainable: false,
      parameters: 1,
    }))
    const { layout } = toPlotly(layerMapFigure({ blocks, totalParameters: 40, trainableParameters: 0 }))
    expect(layout['xaxis']).toMatchObject({ dtick: 3, tickformat: 'd' })
  })

  it('puts the unit of a long axis label on a line of its own', () => {
    const title = (label: string) => {
      const spec = figure([panel({ yAxis: axis(label, { unit: 'nats/token' }), series: [line([1], [2])] })])
      return (toPlotly(spec).layout['yaxis'] as { title: { text: string } }).title.text
    }
    expect(title('loss')).toBe('loss (nats/token)')
    expect(title('forgotten: loss increase on <general>')).toBe(
      'forgotten: loss increase on &lt;general&gt;<br>(nats/token)',
    )
  })
})
