import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { spread } from '../../src/plot/end-labels.js'
import { axis, type Figure } from '../../src/plot/figure.js'
import { forgettingFigure } from '../../src/plot/figures/forgetting.js'
import { renderSvg } from '../../src/plot/svg.js'
import { allNodes, band, figure, hostileNames, line, panel, parseXml } from './support.js'

const texts = (svg: string) => allNodes(parseXml(svg), 'text').map(node => node.text)
const draw = (series: Parameters<typeof panel>[0]) => renderSvg(figure([panel(series)]), { theme: 'light' })

describe('renderSvg', () => {
  it('has title, axes with units, ticks, and the names at the ends of the lines', () => {
    const series = [
      line([0, 100], [3, 2], { name: 'base' }),
      line([0, 100], [3, 2.5], { name: 'full', color: 'green' }),
    ]
    expect(texts(draw({ series }))).toEqual([
      'Loss',
      'loss (nats/token)',
      'step',
      ...['2.0', '2.2', '2.4', '2.6', '2.8', '3.0'],
      ...['0', '20', '40', '60', '80', '100'],
      'base',
      'full',
    ])
  })

  it('draws a line as one path, a gap as a new subpath, a lonely point as a dot, a step as a staircase', () => {
    const paths = (options: Parameters<typeof line>[2], y: (number | null)[]) =>
      allNodes(allNodes(parseXml(draw({ series: [line([0, 1, 2, 3], y, options)] })), 'svg')[1]!, 'path').map(path =>
        path.attributes['d']!.replace(/[\d.-]+/g, '#'),
      )
    expect(paths({}, [1, 2, 3, 4])).toEqual(['M# #L# #L# #L# #'])
    expect(paths({}, [1, 2, null, 4])).toEqual(['M# #L# #', 'M# #a# # # # # # #a# # # # # # #Z'])
    expect(paths({ kind: 'step' }, [1, 2, 3, null])).toEqual(['M# #H#V#H#V#'])
  })

  it('keeps the zero line inside although all values are below it', () => {
    const svg = draw({ series: [line([0, 1], [-5, -4])], zeroLine: true })
    expect(texts(svg)).toContain('0')
  })

  it('says that there is no data yet: no panels, no series, empty series, nothing finite', () => {
    const empty = [
      [],
      [line([], [])],
      [line([1, 2], [null, null])],
      [line([1], [Number.NaN])],
      [band([1], [null], [2])],
    ]
    for (const series of empty) expect(texts(draw({ series }))).toContain('no data yet')
    expect(texts(renderSvg(figure([])))).toContain('no data yet')
  })

  it('makes one point and two points readable', () => {
    const one = draw({ series: [line([7], [3])] })
    expect(texts(one)).toEqual(expect.arrayContaining(['7', '3.0']))
    expect(texts(draw({ series: [line([7, 8], [3, 3])] }))).toEqual(expect.arrayContaining(['7', '8', '3.0']))
  })

  it('is well-formed and finite whatever the values are', () => {
    const value = fc.option(fc.oneof(fc.double(), fc.constantFrom(Number.MAX_VALUE, Number.MIN_VALUE, -1e300, 1e16)))
    const points = fc.array(fc.tuple(value, value), { maxLength: 12 })
    const scale = fc.constantFrom('linear', 'log')
    fc.assert(
      fc.property(points, scale, scale, fc.boolean(), (pairs, xScale, yScale, zeroLine) => {
        const [x, y] = [pairs.map(pair => pair[0]), pairs.map(pair => pair[1])]
        const bar = { kind: 'bar' as const, name: 'bar', group: 'bar', x, y, color: 'sky' as const, label: null }
        const xAxis = axis('x', { scale: xScale, format: 'seconds' })
        const yAxis = axis('y', { scale: yScale, min: 0 })
        for (const series of [[line(x, y)], [band(x, y, x)], [bar], [line(x, y), line(y, x), bar]]) {
          const svg = draw({ series, xAxis, yAxis, zeroLine })
          expect(svg).not.toMatch(/NaN|Infinity|undefined|null/)
          expect(allNodes(parseXml(svg), 'svg').length).toBeGreaterThan(0)
        }
      }),
    )
  })

  it('is the same after the spec went through JSON', () => {
    const spec = forgettingFigure([
      { run: 'a', name: 'code', x: [0, 1, 2], y: [0, Number.NaN, -1], low: [0, 0, -2], high: [0, 0, 0] },
    ])
    expect(renderSvg(JSON.parse(JSON.stringify(spec)) as Figure)).toBe(renderSvg(spec))
  })

  it('escapes hostile names everywhere they occur', () => {
    for (const name of hostileNames) {
      const series = [line([0, 1], [1, 2], { name }), { ...band([0, 1], [1, 2], [2, 3]), name }]
      const legend = [
        {
          label: name,
          color: 'blue' as const,
          dash: 'solid' as const,
          marker: 'circle' as const,
          swatch: 'line' as const,
        },
      ]
      const xAxis = axis(name, { unit: name })
      const annotations = [
        { kind: 'vline' as const, x: 0.1, text: name },
        { kind: 'note' as const, text: name },
      ]
      const spec = figure([panel({ title: name, series, legend, xAxis, annotations })], { title: name, caption: name })
      for (const width of [760, 300]) {
        const svg = renderSvg(spec, { width })
        const names = new Set<string>()
        const walk = (node: ReturnType<typeof parseXml>) => {
          names.add(node.name)
          node.children.forEach(walk)
        }
        walk(parseXml(svg))
        expect(
          [...names].filter(tag => !['svg', 'title', 'desc', 'style', 'rect', 'path', 'text', 'g'].includes(tag)),
        ).toEqual([])
      }
    }
    expect(texts(draw({ series: [line([0, 1], [1, 2], { name: '<b> & "né 学习 🦙"' })] }))).toContain(
      '<b> & "né 学习 🦙"',
    )
  })

  it('needs nothing from outside and has no ids that could clash in a page', () => {
    const svg = renderSvg(forgettingFigure([{ run: 'a', name: 'code', x: [0, 1], y: [0, 1] }]))
    expect(svg.replace('xmlns="http://www.w3.org/2000/svg"', '')).not.toMatch(
      /https?:|href|url\(|@import|@font-face| id=/,
    )
  })

  it('follows the reader with `auto`, and stays light or dark when told so', () => {
    const spec = figure([panel({ series: [line([0, 1], [1, 2])] })])
    expect(renderSvg(spec)).toContain('prefers-color-scheme:dark')
    expect(renderSvg(spec, { theme: 'light' })).toContain('#FFFFFF')
    expect(renderSvg(spec, { theme: 'dark' })).not.toMatch(/prefers-color-scheme|#FFFFFF/)
  })

  it('is the light figure where a viewer, as of a saved notebook, takes its style sheet away', () => {
    const spec = forgettingFigure([{ run: 'a', name: 'code', x: [0, 1], y: [0, 1], low: [0, 0], high: [1, 2] }])
    const stripped = renderSvg(spec)
      .replace(/<style>.*?<\/style>/, '')
      .replace(/ class="[fs]-[^"]*"/g, '')
    expect(stripped).toBe(renderSvg(spec, { theme: 'light' }))
  })

  it('names up to six lines at their ends without overlap, more in a legend', () => {
    const many = (n: number) =>
      Array.from({ length: n }, (_, i) => line([0, 1], [1, 1 + i / 1000], { name: `probe ${i}` }))
    const key = { color: 'blue', dash: 'solid', marker: 'none', swatch: 'line' } as const
    const legend = many(7).map(one => ({ label: `key of ${one.name}`, ...key }))
    const labels = allNodes(parseXml(draw({ series: many(6), legend })), 'text').filter(t => t.text.startsWith('probe'))
    const ys = labels.map(node => Number(node.attributes['y'])).sort((a, b) => a - b)
    expect(ys).toHaveLength(6)
    for (let i = 1; i < ys.length; i++) expect(ys[i]! - ys[i - 1]!).toBeGreaterThanOrEqual(14.99)
    const crowded = texts(draw({ series: many(7), legend }))
    expect(crowded.filter(text => text.startsWith('probe'))).toEqual([])
    expect(crowded.filter(text => text.startsWith('key of'))).toHaveLength(7)
  })

  it('keeps all text inside the picture', () => {
    const series = [line([0, 1e9], [1e5, 2e5], { name: 'a long name that will not fit beside the plot at all' })]
    const svg = parseXml(
      renderSvg(figure([panel({ series })], { title: 'T '.repeat(300), caption: 'word '.repeat(80) }), { width: 420 }),
    )
    for (const node of allNodes(svg, 'text')) {
      expect(Number(node.attributes['x'])).toBeGreaterThanOrEqual(0)
      expect(Number(node.attributes['x'])).toBeLessThan(420)
      expect(Number(node.attributes['y'])).toBeLessThan(Number(svg.attributes['height']))
    }
  })
})

describe('spread', () => {
  it('keeps order, gap and range when there is room', () => {
    const wanted = fc.array(fc.double({ min: 0, max: 100, noNaN: true }), { maxLength: 6 })
    fc.assert(
      fc.property(wanted, values => {
        const placed = spread(values, 10, [0, 100])
        const sorted = [...placed].sort((a, b) => a - b)
        for (let i = 1; i < sorted.length; i++) expect(sorted[i]! - sorted[i - 1]!).toBeGreaterThanOrEqual(9.999)
        for (const y of placed) expect(y >= -1e-9 && y <= 100 + 1e-9).toBe(true)
        const order = (numbers: number[]) => numbers.map((_, i) => i).sort((a, b) => numbers[a]! - numbers[b]! || a - b)
        expect(order(placed)).toEqual(order(values))
      }),
    )
  })
})
