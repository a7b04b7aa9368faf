import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterAll, describe, expect, it } from 'vitest'
import { renderValue } from '../../kernel/evaluator/rich.js'
import { Sources } from '../../kernel/evaluator/sources.js'
import { coveredBundle, liveBundle, liveFrame, liveHtml, liveOutput, staticBundle } from '../../src/live/notebook.js'
import { LiveServer } from '../../src/live/server.js'
import { figure, line, panel, parseXml } from '../plot/support.js'
import { temporaryDirectory } from '../support/temporary.js'
import { Watcher } from './support.js'

const drawn = figure([panel({ series: [line([1, 2], [3, 4])] })], { title: '</script><b>' })
const dir = temporaryDirectory('notebook')
let server: LiveServer | null = null
const start = async () => (server ??= await LiveServer.start({ runs: [join(dir, 'runs')] }))
afterAll(() => server?.close())

describe('displays in a notebook', () => {
  it('are pictures and text in the end, plotly JSON when asked for', () => {
    expect(Object.keys(staticBundle(drawn))).toEqual(['image/svg+xml', 'text/plain'])
    const spec = staticBundle(drawn, { plotly: true })['application/vnd.plotly.v1+json']
    expect(Object.keys(spec as object)).toEqual(['data', 'layout'])
  })

  it('hold a ticket and no token while a run goes on, and not a word of plotly.js', async () => {
    const live = await start()
    const { 'text/html': html, ...rest } = liveBundle(live, drawn)
    expect(Object.keys(rest)).toEqual(['image/svg+xml', 'text/plain'])
    const text = String(html)
    for (const token of Object.values(live.access.tokens)) expect(text).not.toContain(token)
    expect(text.length).toBeLessThan(20_000)
    expect(text.match(/<img/g)).toHaveLength(1)
    expect(text.match(/<\/script>/g)).toHaveLength(1)
    const ticket = /"([\w-]{43})"/.exec(text)![1]!
    expect(live.access.permissionOf(live.access.redeem(ticket))).toBe('read')
  })

  it('show a server that is the result of a cell as the live page, and print no token of it anywhere', async () => {
    const live = await LiveServer.start({ runs: [join(dir, 'runs')] })
    const bundle = (await renderValue(live, new Sources())) as Record<string, string>
    expect(Object.keys(bundle).sort()).toEqual(['image/svg+xml', 'text/html', 'text/plain'])
    const ticket = /"([\w-]{43})"/.exec(bundle['text/html']!)![1]!
    const printed = [
      JSON.stringify(bundle),
      ...[live, { live }, live.access, [live.access]].map(value =>
        inspect(value, { depth: null, showHidden: true, getters: false }),
      ),
      JSON.stringify([live.access]),
    ]
    for (const token of Object.values(live.access.tokens)) for (const text of printed) expect(text).not.toContain(token)
    expect(bundle['text/plain']).toContain(`LiveServer on 127.0.0.1:${live.port}, runs: 0`)
    expect(live.access.permissionOf(live.access.redeem(ticket))).toBe('write')
    await live.close()
    expect(inspect(live)).toContain('closed')
  })

  it('let the reader steer only when that is asked for', async () => {
    const live = await start()
    const ticket = /"([\w-]{43})"/.exec(liveHtml(live, drawn, { canWrite: true }))![1]!
    expect(live.access.permissionOf(live.access.redeem(ticket))).toBe('write')
  })

  it('draw the picture beside the page anew, marked so that the page can hide it, without touching the page', async () => {
    const live = await start()
    const output = liveOutput(live)
    const html = liveFrame(live, output)
    expect(html).not.toContain('<img')
    expect(html).toContain(`img[src*="' + id + '"]`)
    const svg = String(coveredBundle(drawn, output)['image/svg+xml'])
    expect(svg).toMatch(new RegExp(`^<svg data-live="${output.id}" `))
    expect(parseXml(svg).name).toBe('svg')
    expect(encodeURIComponent(svg)).toContain(output.id)
    for (const token of [...Object.values(live.access.tokens), output.ticket]) expect(svg).not.toContain(token)
    expect(String(staticBundle(drawn)['image/svg+xml'])).not.toContain('data-live')
  })

  it('are drawn again in their place, and know which of the open pages are theirs', async () => {
    const live = await start()
    const [one, other] = [liveOutput(live), liveOutput(live, { canWrite: true })]
    expect(liveFrame(live, one)).toBe(liveFrame(live, one))
    const [ofOne, ofOther] = [one, other].map(({ ticket }) => live.access.redeem(ticket))
    const page = (token: string) => Watcher.of(`http://127.0.0.1:${live.port}/?token=${token}`).opened()
    const open = [await page(ofOther!), await page(ofOther!), await page(live.access.tokens.write)]
    expect([live.clientsOf(one.ticket), live.clientsOf(other.ticket), live.clients]).toEqual([0, 2, 3])
    open.push(await page(ofOne!))
    expect(live.clientsOf(one.ticket)).toBe(1)
    for (const watcher of open) watcher.close()
    await expect.poll(() => live.clientsOf(other.ticket)).toBe(0)
  })
})
