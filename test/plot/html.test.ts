import { describe, expect, it } from 'vitest'
import { forgettingFigure } from '../../src/plot/figures/forgetting.js'
import { renderHtml } from '../../src/plot/html.js'
import { plotlyPath, readPlotlySource } from '../../src/plot/plotly-source.js'
import { figure, hostileNames, line, panel } from './support.js'

const plotlySource = 'window.Plotly = undefined; const s = "</script><!-- x"'

/** The page cut at its script elements, as a browser would see them. */
function scriptsOf(page: string): string[] {
  return [...page.matchAll(/<script[^>]*>([\s\S]*?)<\/script>/g)].map(match => match[1]!)
}

function pageWith(name: string): string {
  const spec = figure([panel({ title: name, series: [line([0, 1], [1, 2], { name })] })], {
    title: name,
    caption: name,
  })
  const tables = [{ title: name, header: [name, 'delta'], rows: [[name, '−0.25']] }]
  return renderHtml(
    { title: name, figures: [spec], tables, texts: [{ title: name, text: `seed: 1\n\tname: ${name}` }] },
    { plotlySource },
  )
}

describe('renderHtml', () => {
  it('is a page of one SVG per figure, tables and texts, with three scripts that end where they should', () => {
    const page = pageWith('run')
    expect(page.startsWith('<!doctype html>')).toBe(true)
    expect(page.match(/<svg [^>]*class="lab-figure"/g)).toHaveLength(1)
    expect(page).toContain('<td class="number">−0.25</td>')
    expect(page).toContain('<pre>seed: 1\n    name: run</pre>')
    const [specs, plotly, boot] = scriptsOf(page)
    expect(JSON.parse(specs!)).toHaveLength(1)
    expect(plotly).toContain('<\\/script><\\!-- x')
    expect(boot).toContain('Plotly.react')
  })

  it('keeps every hostile name inside its text', () => {
    for (const name of hostileNames) {
      const page = pageWith(name)
      const scripts = scriptsOf(page)
      expect(scripts).toHaveLength(3)
      expect(JSON.parse(scripts[0]!)[0].light.data).toHaveLength(1)
      const outside = page.replace(/<script[^>]*>[\s\S]*?<\/script>/g, '')
      expect(outside).not.toMatch(/<script|<img|onerror=alert\(1\)>/)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is the purpose
      expect(outside).not.toMatch(/[\u0000-\u0008\u001b]/)
    }
  })

  it('loads nothing from anywhere and forbids it', () => {
    const page = renderHtml(
      { title: 't', figures: [forgettingFigure([{ run: 'a', name: 'code', x: [0, 1], y: [0, 1] }])] },
      { plotlySource: '' },
    )
    expect(page).toContain(`content="default-src 'none'`)
    const rest = page.replaceAll('http://www.w3.org/2000/svg', '')
    expect(rest).not.toMatch(/https?:\/\/|<link|\ssrc=|@import|url\(/)
  })

  it('leaves out figures without data, unless all are', () => {
    const full = figure([panel({ series: [line([0, 1], [1, 2])] })], { title: 'full' })
    const empty = figure([panel()], { title: 'empty' })
    expect(renderHtml({ title: 't', figures: [empty, full] }, { plotlySource })).not.toContain('no data yet')
    expect(renderHtml({ title: 't', figures: [empty, empty] }, { plotlySource })).toContain('no data yet')
    expect(scriptsOf(renderHtml({ title: 't', figures: [] }, { plotlySource }))[0]).toBe('[]')
  })

  it('finds plotly.js in node_modules without importing it', () => {
    expect(plotlyPath()).toMatch(/plotly\.js-dist[/\\]plotly\.js$/)
    expect(readPlotlySource()).toContain('newPlot')
  })
})
