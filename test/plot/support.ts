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

/** Text with the five predefined XML entities resolved. */
function decode(text: string): string {
  const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', '#39': "'" }
  return text.replace(/&([^;\s]*);?/g, (whole, name: string) => {
    const char = named[name]
    if (char === undefined || !whole.endsWith(';')) throw new Error(`unknown entity ${whole}`)
    return char
  })
}

export interface XmlNode {
  name: string
  attributes: Record<string, string>
  /** Character data directly inside. */
  text: string
  children: XmlNode[]
}

/** A strict parser of the XML subset that SVG needs; throws where the document is not well-formed. */
export function parseXml(document: string): XmlNode {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: characters that XML forbids
  if (/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/u.test(document))
    throw new Error('bad character')
  const root: XmlNode = { name: '#root', attributes: {}, text: '', children: [] }
  const open = [root]
  const token = /<(\/?)([A-Za-z][\w:-]*)((?:\s+[\w:-]+="[^"<]*")*)\s*(\/?)>|([^<]+)/gy
  for (let at = 0; at < document.length; at = token.lastIndex) {
    const match = token.exec(document)
    if (!match) throw new Error(`not well-formed at ${at}: ${document.slice(at, at + 80)}`)
    const [, closing, name = '', rawAttributes = '', empty, text] = match
    if (text !== undefined) {
      open.at(-1)!.text += decode(text)
    } else if (closing) {
      if (open.pop()!.name !== name) throw new Error(`</${name}> closes nothing`)
    } else {
      const pairs = [...rawAttributes.matchAll(/([\w:-]+)="([^"]*)"/g)].map(pair => [pair[1]!, decode(pair[2]!)])
      if (new Set(pairs.map(pair => pair[0])).size !== pairs.length) throw new Error(`attribute twice in ${name}`)
      const node: XmlNode = { name, attributes: Object.fromEntries(pairs), text: '', children: [] }
      open.at(-1)!.children.push(node)
      if (!empty) open.push(node)
    }
  }
  if (open.length !== 1 || root.children.length !== 1) throw new Error('one root element expected')
  return root.children[0]!
}

/** All nodes of a name, in document order. */
export function allNodes(node: XmlNode, name: string): XmlNode[] {
  return [...(node.name === name ? [node] : []), ...node.children.flatMap(child => allNodes(child, name))]
}
