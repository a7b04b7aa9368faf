import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { BandSeries, LineSeries } from '../../src/plot/figure.js'
import { contributionFigure, layerMapFigure } from '../../src/plot/figures/blocks.js'
import type { Curve } from '../../src/plot/figures/curves.js'
import { forgettingFigure } from '../../src/plot/figures/forgetting.js'
import { sharesFigure } from '../../src/plot/figures/shares.js'
import { gradientNormFigure, trainingLossFigure } from '../../src/plot/figures/training.js'
import { assignColors, dashesOf, neutralColor, palette, runStyle } from '../../src/plot/palette.js'

const curve = (run: string, name: string, y = [3, 2, 1]): Curve => ({ run, name, x: y.map((_, i) => i), y })
const lines = (spec: { panels: { series: unknown[] }[] }) =>
  spec.panels[0]!.series.filter((one): one is LineSeries => ['line', 'step'].includes((one as LineSeries).kind))

describe('trainingLossFigure', () => {
  it('draws the raw values faint behind the smoothed ones, and no raw line without smoothing', () => {
    const [raw, smoothed] = lines(trainingLossFigure([curve('a', 'loss')], { smoothing: 0.5 }))
    expect([raw!.faint, raw!.y]).toEqual([true, [3, 2, 1]])
    expect(smoothed!.y[2]).toBeCloseTo((0.125 * 3 + 0.25 * 2 + 0.5 * 1) / 0.875)
    expect(lines(trainingLossFigure([curve('a', 'loss')], { smoothing: 0 }))).toHaveLength(1)
  })

  it('keeps a spec small however long the run was, spikes included', () => {
    const long = Array.from({ length: 50_000 }, (_, i) => (i === 31_234 ? 99 : 1))
    const [raw] = lines(trainingLossFigure([curve('a', 'loss', long)], { maxPoints: 500 }))
    expect(raw!.x.length).toBeLessThanOrEqual(500)
    expect(raw!.y).toContain(99)
  })

  it('keeps both of two opposite spikes that lie next to each other, smoothed or not', () => {
    const long = Array.from({ length: 50_000 }, (_, i) => (i === 31_234 ? 99 : i === 31_236 ? -99 : 1))
    for (const smoothing of [0, 0.9]) {
      const options = { maxPoints: 500, smoothing }
      const [first] = lines(trainingLossFigure([curve('a', 'loss', long)], options))
      expect(first!.x.length).toBeLessThanOrEqual(500)
      expect(first!.y).toEqual(expect.arrayContaining([99, -99]))
    }
    const ghost = trainingLossFigure([curve('a', 'loss', long)], { maxPoints: 500, smoothing: 0, ghosts: ['a'] })
    expect(lines(ghost)[0]!.y).toEqual(expect.arrayContaining([99, -99]))
  })

  it('counts x in steps, tokens or seconds', () => {
    const xAxis = (x?: 'tokens' | 'seconds') => trainingLossFigure([], x ? { x } : {}).panels[0]!.xAxis
    expect([xAxis().label, xAxis('tokens').format, xAxis('seconds').format]).toEqual([
      'optimizer step',
      'count',
      'seconds',
    ])
  })
})

describe('forgettingFigure', () => {
  it('tells probes by colour and runs by dash and marker', () => {
    const runs = ['expansion', 'full fine-tune'].flatMap(run => ['general', 'code'].map(probe => curve(run, probe)))
    const drawn = lines(forgettingFigure(runs))
    expect(drawn.map(one => [one.name, one.color, one.dash, one.marker])).toEqual([
      ['general · expansion', 'blue', 'solid', 'circle'],
      ['code · expansion', 'vermillion', 'solid', 'circle'],
      ['general · full fine-tune', 'blue', 'dash', 'square'],
      ['code · full fine-tune', 'vermillion', 'dash', 'square'],
    ])
    const keys = forgettingFigure(runs).panels[0]!.legend
    expect(keys.map(key => [key.label, key.color, key.dash])).toEqual([
      ['general', 'blue', 'solid'],
      ['code', 'vermillion', 'solid'],
      ['expansion', 'ink', 'solid'],
      ['full fine-tune', 'ink', 'dash'],
    ])
  })

  it('tells two dozen runs apart, the first six without markers', () => {
    const looks = Array.from({ length: 24 }, (_, i) => runStyle(i))
    expect(new Set(looks.map(({ dash, marker }) => `${dash} ${marker}`)).size).toBe(24)
    expect(new Set(looks.map(({ dash }, i) => `${dash} ${neutralColor(i)}`)).size).toBe(24)
    expect(new Set(looks.slice(0, 6).map(({ dash }) => dash)).size).toBe(6)
  })

  it('tells runs by colour when there is one probe', () => {
    const drawn = lines(forgettingFigure(['expansion', 'full', 'lora'].map(run => curve(run, 'general'))))
    expect(drawn.map(one => [one.name, one.color])).toEqual([
      ['expansion', 'blue'],
      ['full', 'vermillion'],
      ['lora', 'green'],
    ])
  })

  it('has a zero line, a unit and a band where bounds are given', () => {
    const spec = forgettingFigure([{ ...curve('a', 'code'), low: [2, 1, 0], high: [4, 3, 2] }], { unit: 'bitsPerByte' })
    expect(spec.panels[0]).toMatchObject({ zeroLine: true, yAxis: { unit: 'bits/byte', scale: 'linear' } })
    expect(spec.panels[0]!.series[0]).toMatchObject({ kind: 'band', low: [2, 1, 0], high: [4, 3, 2], solid: false })
    const unknown = { ...curve('a', 'code'), low: [null, null, null], high: [null, null, null] }
    expect(forgettingFigure([unknown]).panels[0]!.series.map(series => series.kind)).toEqual(['line'])
  })
})

describe('gradientNormFigure', () => {
  it('has a log axis and one colour per matrix of a run', () => {
    const names = ['model.layers.4.self_attn.o_proj.weight', 'model.layers.4.mlp.down_proj.weight']
    const spec = gradientNormFigure(
      names.map(name => curve('a', name)),
      { smoothing: 0 },
    )
    expect(spec.panels[0]!.yAxis.scale).toBe('log')
    expect(new Set(lines(spec).map(one => one.color)).size).toBe(2)
  })
})

describe('sharesFigure', () => {
  it('stacks any non-negative amounts to exactly one', () => {
    const amounts = fc.array(
      fc.tuple(fc.double({ min: 0, max: 1e9, noNaN: true }), fc.double({ min: 0, max: 1e9, noNaN: true })),
      {
        minLength: 1,
        maxLength: 50,
      },
    )
    fc.assert(
      fc.property(amounts, rows => {
        const parts = [0, 1].map(i => ({ name: `part ${i}`, amounts: rows.map(row => row[i]!) }))
        const [low, high] = sharesFigure('mix', [{ title: '', x: rows.map((_, i) => i), parts }]).panels[0]!
          .series as BandSeries[]
        rows.forEach((row, i) => {
          const nothing = row[0] + row[1] === 0
          expect(low!.low[i]).toBe(nothing ? null : 0)
          expect(high!.low[i]).toBe(low!.high[i])
          if (nothing) expect(high!.high[i]).toBeNull()
          else expect(high!.high[i]).toBeCloseTo(1, 9)
        })
      }),
    )
  })
})

describe('layerMapFigure and contributionFigure', () => {
  it('ties each added block to its source and says what trains', () => {
    const blocks = [0, 1, 1, 2].map((source, layer) => ({
      layer,
      source,
      added: layer === 2,
      trainable: layer === 2,
      parameters: 10,
    }))
    const spec = layerMapFigure({ blocks, totalParameters: 1_000_000, trainableParameters: 250_000 })
    expect(spec.caption).toBe('3 blocks + 1 added = 4; 250,000 of 1,000,000 parameters train (25.0 %).')
    const link = lines(spec).find(one => one.color === 'vermillion')
    expect(link?.x).toEqual([1, 2])
    expect(spec.panels[0]!.legend.map(key => key.label)).toEqual(['original, frozen', 'added, trained'])
  })

  it('puts each block at its own place although runs added different ones', () => {
    const spec = contributionFigure([
      { run: 'a', layers: [4, 9], ratios: [0.1, 0.2] },
      { run: 'b', layers: [9], ratios: [0.3] },
    ])
    expect(spec.panels[0]!.xAxis.categories).toEqual(['4', '9'])
    expect(spec.panels[0]!.series.map(one => one.kind === 'bar' && one.x)).toEqual([[0, 1], [1]])
  })
})

describe('assignColors', () => {
  it('keeps a known name its colour whatever stands beside it, and gives up to seven names seven colours', () => {
    const names = fc.uniqueArray(fc.string(), { maxLength: 6 })
    fc.assert(
      fc.property(names, others => {
        const colors = assignColors([
          ...others.filter(name => !/general|english|prose|base|expan|^pro$/i.test(name)),
          'general',
        ])
        expect(colors.get('general')).toBe('blue')
        expect(new Set(colors.values()).size).toBe(colors.size)
      }),
    )
  })

  it('gives the same colours and dashes in whatever order names are found', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { maxLength: 20 }), names => {
        const [colors, turned] = [assignColors(names), assignColors([...names].reverse())]
        expect([...turned].sort()).toEqual([...colors].sort())
        expect([...dashesOf(turned)].sort()).toEqual([...dashesOf(colors)].sort())
      }),
    )
  })

  it('tells dozens of runs apart, the first eight by colour alone', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1 }), { minLength: 1, maxLength: 48 }), names => {
        const drawn = lines(
          trainingLossFigure(
            names.map(run => curve(run, 'loss')),
            { smoothing: 0 },
          ),
        )
        expect(new Set(drawn.map(({ color, dash }) => `${color} ${dash}`)).size).toBe(names.length)
        expect(new Set(drawn.map(({ color }) => color)).size).toBe(Math.min(8, names.length))
        if (names.length < 9) expect(drawn.every(({ dash }) => dash === 'solid')).toBe(true)
      }),
    )
  })

  it('has text colours of contrast 4.5 or more on white', () => {
    const luminance = (hex: string) =>
      [1, 3, 5]
        .map(i => Number.parseInt(hex.slice(i, i + 2), 16) / 255)
        .map(c => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i]!, 0)
    for (const { lightText } of Object.values(palette))
      expect(1.05 / (luminance(lightText) + 0.05)).toBeGreaterThanOrEqual(4.5)
  })
})
