import { axis, type BandSeries, type Figure, type LineSeries, type Panel } from '../../src/plot/figure.js'

/** A line with every field set. */
export function line(x: LineSeries['x'], y: LineSeries['y'], options: Partial<LineSeries> = {}): LineSeries {
  const name = options.name ?? 'line'
  return {
    kind: 'line',
    name,
    group: name,
    x,
    y,
    color: 'blue',
    dash: 'solid',
    marker: 'none',
    faint: false,
    label: name,
    ...options,
  }
}

export function band(x: BandSeries['x'], low: BandSeries['low'], high: BandSeries['high']): BandSeries {
  return { kind: 'band', name: 'band', group: 'band', x, low, high, color: 'blue', solid: false, label: null }
}

export function panel(options: Partial<Panel> = {}): Panel {
  return {
    title: '',
    xAxis: axis('step', { format: 'count' }),
    yAxis: axis('loss', { unit: 'nats/token' }),
    zeroLine: false,
    series: [],
    annotations: [],
    legend: [],
    ...options,
  }
}

export function figure(panels: Panel[], options: Partial<Figure> = {}): Figure {
  return { title: 'Loss', caption: '', columns: 1, panels, ...options }
}

/** Names that break renderers which forget to escape. */
export const hostileNames = [
  '<script>alert(1)</script>',
  '</script><img src=x onerror=alert(1)>',
  'a"b\'c&d',
  '\u001b[31mred\u001b[0m\u0007',
  'né 学习 🦙 e\u0301',
  '\ud800 lone',
  ']]> <!-- --> \u0000',
  '\u202eright to left',
  '',
  'x'.repeat(400),
]
