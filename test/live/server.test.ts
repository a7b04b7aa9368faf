import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { isLoopbackOrigin } from '../../src/live/access.js'
import type { LiveControls } from '../../src/live/controls.js'
import type { RunRow } from '../../src/live/protocol.js'
import { LiveServer } from '../../src/live/server.js'
import { LabError } from '../../src/util/errors.js'
import { liveServers } from './servers.js'
import { FakeRun, Watcher } from './support.js'

const { root, watchers, serve, watch, part } = liveServers()
const count = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

/** The status of a request with headers that fetch does not let through. */
function statusOf(url: string, headers: Record<string, string>): Promise<number> {
  return new Promise((resolve, reject) => {
    get(url, { headers }, response => resolve(response.resume().statusCode!)).on('error', reject)
  })
}

describe('records', () => {
  it('come each once and in order, over a lost connection and a restart of the server', async () => {
    const dir = join(root, 'reconnect')
    const run = new FakeRun(dir, 'a')
    run.train(5)
    const first = await serve(dir)
    const early = await watch(first.readUrl)
    early.say({ type: 'follow', history: 1000 })
    await early.until('records', message => message.next === run.writer.last!.seq + 1)
    run.train(40)
    await early.until('records', message => message.next === run.writer.last!.seq + 1)
    const held = early.position('a')
    await first.close()
    run.train(33)
    const second = await serve(dir)
    const late = await watch(second.readUrl)
    late.say({ type: 'follow', from: { a: held } })
    run.train(20)
    await late.until('records', message => message.next === run.writer.last!.seq + 1)
    expect([...early.numbers('a'), ...late.numbers('a')]).toEqual(count(0, run.writer.last!.seq + 1))
    expect(late.messages.some(message => message.type === 'reset')).toBe(false)
  })

  it('come each once for who says in several messages what it holds', async () => {
    const dir = join(root, 'parts')
    const runs = ['a', 'b', 'c'].map(name => new FakeRun(dir, name))
    for (const run of runs) run.train(20)
    const server = await serve(dir)
    const early = await watch(server.readUrl)
    early.say({ type: 'follow', history: 1000 })
    const last = () => runs[0]!.writer.last!.seq + 1
    for (const { name } of runs.map((_, i) => ({ name: 'abc'[i]! })))
      await early.until('records', message => message.run === name && message.next === last())
    const held = { a: early.position('a'), b: early.position('b') }
    for (const run of runs) run.train(5)
    const late = await watch(server.readUrl)
    late.say({ type: 'follow', from: { a: held.a }, more: true })
    await late.until('runs', message => message.runs.length === 3)
    expect(late.messages.some(message => message.type === 'records')).toBe(false)
    late.say({ type: 'follow', from: { b: held.b }, history: 3 })
    for (const name of ['a', 'b', 'c'])
      await late.until('records', message => message.run === name && message.next === last())
    expect(late.numbers('a')).toEqual(count(held.a.next, last()))
    expect(late.numbers('b')).toEqual(count(held.b.next, last()))
    expect(late.numbers('c')).toEqual(count(last() - 3, last()))
  })

  it('begin again, with a word of it, for who holds what a resume has cut off', async () => {
    const dir = join(root, 'resume')
    const run = new FakeRun(dir, 'a')
    run.train(30)
    const server = await serve(dir)
    const watcher = await watch(server.readUrl)
    watcher.say({ type: 'follow', history: 1000 })
    await watcher.until('records', message => message.next === run.writer.last!.seq + 1)
    const held = watcher.position('a')
    run.cutBackTo(10)
    run.train(50)
    const { next } = await watcher.until('reset')
    expect(next).toBe(0)
    const behind = watcher.messages.findIndex(message => message.type === 'reset')
    await watcher.until('records', message => message.next === run.writer.last!.seq + 1)
    watcher.messages.splice(0, behind)
    expect(watcher.numbers('a')).toEqual(count(0, run.writer.last!.seq + 1))
    const other = await watch(server.readUrl)
    other.say({ type: 'follow', from: { a: held } })
    expect(await other.until('reset')).toMatchObject({ run: 'a' })
  })

  it('are there by HTTP too, from any number on', async () => {
    const dir = join(root, 'http')
    const run = new FakeRun(dir, 'a b')
    run.train(10)
    const server = await serve(dir)
    const response = await part(server, '/runs/a%20b/metrics?from=3')
    const lines = (await response.text()).trimEnd().split('\n')
    const last = run.writer.last!.seq
    expect(lines.map(line => JSON.parse(line).seq)).toEqual(count(3, last + 1))
    expect(response.headers.get('x-next')).toBe(String(last + 1))
    expect((await part(server, '/runs/nobody/metrics')).status).toBe(404)
    expect((await part(server, '/runs/..%2f..%2fetc/metrics')).status).toBe(404)
    expect((await part(server, '/runs/a%20b/metrics?from=-1')).status).toBe(400)
  })
})

describe('figures', () => {
  it('come when they are asked for, again when they have changed and the last one is drawn, at most five times a second', async () => {
    const dir = join(root, 'figures')
    const run = new FakeRun(dir, 'a')
    run.train(20)
    const server = await serve(dir)
    const watcher = await watch(server.readUrl)
    watcher.say({ type: 'view', figures: ['loss', 'forgetting'], view: { x: 'tokens' } })
    const loss = await watcher.until('figure', message => message.figure === 'loss')
    await watcher.until('figure', message => message.figure === 'forgetting')
    expect(loss.plotly.layout['xaxis']).toMatchObject({ title: { text: 'training tokens' } })
    expect((loss.plotly.data as { x: number[] }[]).at(-1)!.x).toHaveLength(20)
    watcher.messages.length = 0
    for (let i = 0; i < 6; i++) {
      run.train(1)
      await new Promise(resolve => setTimeout(resolve, 100))
    }
    expect(watcher.messages.filter(message => message.type === 'figure')).toEqual([])
    watcher.say({ type: 'drawn', figure: 'loss' })
    const next = await watcher.until('figure', message => message.figure === 'loss')
    expect((next.plotly.data as { x: number[] }[]).at(-1)!.x.length).toBeGreaterThan(20)
    const sent = () => watcher.messages.filter(message => message.type === 'figure').length
    const before = sent()
    for (let i = 0; i < 20; i++) {
      run.train(1)
      watcher.say({ type: 'drawn', figure: 'loss' })
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    expect(sent() - before).toBeLessThanOrEqual(6)
  })

  it('leave out hidden runs, whose colours the others do not take', async () => {
    const dir = join(root, 'hidden')
    // two names that want the same colour: one of them must take another
    for (const name of ['expansion', 'expansion-2']) new FakeRun(dir, name).train(30)
    const server = await serve(dir)
    const drawn = async (name: string, hidden: string[]) => {
      const url = new URL(`/figures/${name}.json`, server.url)
      url.searchParams.set('view', JSON.stringify({ hidden, smoothing: 0 }))
      const figure = (await (await part(server, url.href)).json()) as {
        panels: { series: { name: string; color: string; marker?: string }[] }[]
      }
      return figure.panels[0]!.series.map(series => [series.name, series.color, series.marker])
    }
    for (const figure of ['loss', 'trade-off', 'contribution', 'gradients']) {
      const [first, second] = await drawn(figure, [])
      expect(first![1], figure).not.toBe(second![1])
      expect(await drawn(figure, ['expansion']), figure).toEqual([second])
    }
  })

  it('have the same colours when runs are found in another order, as after a restart', async () => {
    const dir = join(root, 'order')
    const names = ['expansion-b', 'x-4', 'x-3', 'expansion-a', 'x-2', 'x-1', 'x-0', 'x-9', 'x-8', 'x-7']
    new FakeRun(dir, names[0]!)
    const before = await serve(dir)
    const rows = async (server: LiveServer) => (await (await part(server, '/runs')).json()) as RunRow[]
    await rows(before)
    for (const name of names.slice(1)) {
      new FakeRun(dir, name)
      await rows(before)
    }
    const looks = async (server: LiveServer) =>
      (await rows(server)).map(({ name, color, isDashed }) => [name, color, isDashed])
    expect(await looks(before)).toEqual(await looks(await serve(dir)))
    expect((await rows(before)).filter(row => row.isDashed)).toHaveLength(2)
  })

  it('are files too', async () => {
    const dir = join(root, 'files')
    new FakeRun(dir, 'a').train(12)
    const server = await serve(dir)
    const csv = await part(server, '/figures/forgetting.csv')
    expect(csv.headers.get('content-disposition')).toContain('forgetting.csv')
    expect(await csv.text()).toMatch(/^panel,series,x,y,low,high\r\n/)
    expect(await (await part(server, '/figures/loss.svg')).text()).toMatch(/^<svg/)
    const long = new FakeRun(dir, 'long')
    long.train(5000)
    const losses = await (await part(server, '/figures/loss.csv')).text()
    const raw = losses.split('\r\n').filter(row => row.startsWith('Training loss,long (raw)'))
    // all that was measured, not what the page draws
    expect(raw.map(row => Number(row.split(',')[2]))).toEqual(count(1, 5001))
    expect((await part(server, '/figures/nothing.svg')).status).toBe(404)
    expect((await part(server, `/figures/loss.svg?view=${encodeURIComponent('{"y":1}')}`)).status).toBe(400)
  })
})

describe('who may come in', () => {
  it('nobody without a token, from a foreign page, or by a foreign name of this machine', async () => {
    const dir = join(root, 'access')
    new FakeRun(dir, 'a')
    const server = await serve(dir)
    for (const path of ['/', '/embed', '/page.js', '/runs', '/runs/a/metrics', '/figures/loss.svg'])
      for (const token of ['', 'wrong']) expect((await part(server, path, token)).status, path).toBe(401)
    expect(await statusOf(server.readUrl, {})).toBe(200)
    expect(await statusOf(server.readUrl, { origin: 'http://evil.example' })).toBe(403)
    expect(await statusOf(server.readUrl, { host: `evil.example:${server.port}` })).toBe(403)
    const address = server.readUrl.replace('http:', 'ws:').replace('/?', '/live?')
    const opening = (to: string, options = {}) => {
      const watcher = new Watcher(to, options)
      watchers.push(watcher)
      return watcher.opened().then(
        () => 'open',
        error => String(error),
      )
    }
    expect(await opening(address)).toBe('open')
    expect(await opening(address.replace(/token=.*/, ''))).toContain('401')
    expect(await opening(address, { origin: 'http://evil.example' })).toContain('403')
    expect(await opening(address, { origin: `http://127.0.0.1:${server.port}` })).toBe('open')
    expect(await opening(address, { host: `evil.example:${server.port}` })).toContain('403')
    expect(await opening(address.replace('/live', '/other'))).toContain('404')
  })

  it('and nobody brings the server down by asking to', async () => {
    const server = await LiveServer.start({ runs: [join(root, 'access')] })
    const upgrade = (path: string) =>
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`
    const refused = async (path: string) => {
      const socket = connect({ port: server.port, host: '127.0.0.1', allowHalfOpen: true })
      socket.on('error', () => {})
      socket.write(upgrade(path))
      return [socket, String((await once(socket, 'data'))[0]).split('\r\n')[0]] as const
    }
    expect((await refused('//'))[1]).toBe('HTTP/1.1 400 Bad Request')
    expect(await statusOf(`http://127.0.0.1:${server.port}//`, {})).toBe(400)
    // one that resets while it is refused
    const rude = connect(server.port, '127.0.0.1')
    rude.write(upgrade('/live'), () => rude.resetAndDestroy())
    await once(rude, 'close')
    // and one that never closes its side
    const [halfOpen, status] = await refused('/live')
    expect(status).toBe('HTTP/1.1 401 Unauthorized')
    expect((await part(server, '/runs')).status).toBe(200)
    await server.close()
    halfOpen.destroy()
  })

  it('serves pages that load nothing from elsewhere and cannot be framed but in a notebook of this machine', async () => {
    const server = await serve(join(root, 'access'))
    const policy = (await part(server, '/')).headers.get('content-security-policy')!
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("frame-ancestors 'none'")
    const framed = (await part(server, '/embed')).headers.get('content-security-policy')!
    const sources = /frame-ancestors ([^;]*)/.exec(framed)![1]!.split(' ').slice(1)
    // whoever is given a token may also frame the page, and the other way round
    expect(sources).toHaveLength(4)
    for (const source of sources) expect(isLoopbackOrigin(source.replace('*', '8888'))).toBe(true)
    expect((await part(server, '/')).headers.get('referrer-policy')).toBe('no-referrer')
  })

  it('gives a token for a ticket to pages of this machine alone', async () => {
    const server = await serve(join(root, 'access'))
    const exchange = (ticket: string, origin: string) =>
      fetch(new URL('/ticket', server.url), { method: 'POST', body: ticket, headers: { origin } })
    const ticket = server.access.issueTicket('read')
    expect((await exchange(ticket, 'https://evil.example')).status).toBe(403)
    const given = await exchange(ticket, 'http://localhost:8888')
    expect(given.headers.get('access-control-allow-origin')).toBe('http://localhost:8888')
    expect((await part(server, '/runs', await given.text())).status).toBe(200)
    expect((await exchange(ticket, 'http://localhost:8888')).status).toBe(401)
    expect((await exchange('x'.repeat(10_000), 'http://localhost:8888')).status).toBe(401)
  })
})

describe('plotly.js', () => {
  const addressOf = async (server: LiveServer, page: string) => {
    const html = await (await part(server, page)).text()
    return new URL(/src="([^"]*plotly[^"]*)"/.exec(html)![1]!, server.url)
  }

  it('has one address for all tokens, so that it is loaded once, and by pages of this server alone', async () => {
    const server = await serve(join(root, 'access'))
    const address = await addressOf(server, '/')
    const token = server.access.redeem(server.access.issueTicket('read'))!
    const embedded = await (await part(server, '/embed', token)).text()
    expect(embedded).toContain(`src="${address.pathname}"`)
    expect(address.search).toBe('')
    const answer = await fetch(address)
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, expect.stringContaining('immutable')])
    expect(answer.headers.get('cross-origin-resource-policy')).toBe('same-origin')
    await answer.body!.cancel()
    expect(await statusOf(address.href.replace('plotly-', 'plotly-0'), {})).toBe(404)
    expect(await statusOf(address.href, { host: `evil.example:${server.port}` })).toBe(403)
    expect(await statusOf(address.href, { origin: 'http://evil.example' })).toBe(403)
  })

  it.skipIf(!existsSync('/proc/self/fd'))(
    'is closed again when the browser goes away in the middle of it',
    async () => {
      const server = await serve(join(root, 'access'))
      const openFiles = () =>
        readdirSync('/proc/self/fd').filter(fd => {
          const path = `/proc/self/fd/${fd}`
          return existsSync(path) && readlinkSync(path).endsWith('plotly.js')
        }).length
      // what an earlier test has asked for is closed a moment after it has come
      await expect.poll(openFiles).toBe(0)
      for (let i = 0; i < 5; i++) {
        const request = get(await addressOf(server, '/'))
        request.on('error', () => {})
        const [response] = (await once(request, 'response')) as [IncomingMessage]
        await once(response, 'readable')
        expect(openFiles()).toBe(1)
        response.destroy()
        await expect.poll(openFiles).toBe(0)
      }
    },
  )
})

describe('what may be said', () => {
  it('is a known message; anything else is answered with the reason, and a huge one ends the connection', async () => {
    const server = await serve(join(root, 'access'))
    const watcher = await watch(server.readUrl)
    for (const bad of [
      '',
      'null',
      '[]',
      '{"type":"view"}',
      '{"type":"run","code":"1"}',
      '{"type":"follow","from":{"a":{"next":-1,"mark":0}}}',
    ]) {
      watcher.messages.length = 0
      watcher.socket.send(bad)
      expect((await watcher.until('error')).message, bad).not.toBe('')
    }
    const closed = new Promise(resolve => watcher.socket.once('close', resolve))
    watcher.socket.send('x'.repeat((1 << 20) + 1))
    expect(await closed).toBe(1009)
    expect((await part(server, '/runs')).status).toBe(200)
  })
})

describe('controls', () => {
  it('reach the session from who has the write token, and from nobody else', async () => {
    const dir = join(root, 'controls')
    const run = new FakeRun(dir, 'a')
    new FakeRun(dir, 'b')
    const calls: unknown[] = []
    const gates = new Map([
      [2, 1],
      [5, 1],
    ])
    let isPaused = false
    const controls: LiveControls = {
      active: () => ({ dir: run.dir, isPaused }),
      pause: at => {
        calls.push(['pause', at])
        isPaused = true
      },
      resume: at => void calls.push(['resume', at]),
      stop: at => calls.push(['stop', at]),
      gates: () => gates,
      gate: (value, layer) => {
        if (value === 0.5) throw new LabError('GATE', 'not this one')
        gates.set(layer ?? 2, value)
      },
      walk: {
        names: ['ladder', 'proof'],
        svg: async (name, { prompt = '', expansion } = {}) => {
          if (name === 'proof') throw new LabError('LESSON', 'expand first')
          return `<svg>${prompt}${expansion ? JSON.stringify(expansion) : ''}</svg>`
        },
      },
      scores: async () => [{ probe: 'code', lossNats: 2.5 }],
    }
    const server = await serve(dir, { controls })
    const reader = await watch(server.readUrl)
    const writer = await watch(server.url)
    expect(await reader.until('hello')).toMatchObject({ canWrite: false, canScore: false, walk: [] })
    expect(await writer.until('hello')).toMatchObject({ canWrite: true, canScore: true, walk: ['ladder', 'proof'] })
    const step = async (address: string, name: string, query = '') => {
      const answer = await fetch(address.replace('/?', `/walk/${name}.svg?`) + query)
      return [answer.status, await answer.text()]
    }
    expect(await step(server.url, 'ladder')).toEqual([200, '<svg></svg>'])
    expect(await step(server.url, 'ladder', '&prompt=the%20river')).toEqual([200, '<svg>the river</svg>'])
    const wished = { groups: 3, placement: 'suffix' }
    expect(await step(server.url, 'ladder', '&groups=3&placement=suffix')).toEqual([
      200,
      `<svg>${JSON.stringify(wished)}</svg>`,
    ])
    expect(await step(server.url, 'ladder', '&placement=suffix')).toEqual([200, '<svg></svg>'])
    const scores = (address: string) => fetch(address.replace('/?', '/gates/scores?'))
    expect(await (await scores(server.url)).json()).toEqual([{ probe: 'code', lossNats: 2.5 }])
    expect((await scores(server.readUrl)).status).toBe(403)
    expect(await step(server.url, 'proof')).toEqual([400, 'expand first'])
    expect(await step(server.url, 'copy')).toEqual([404, 'no step "copy"'])
    expect((await step(server.readUrl, 'ladder'))[0]).toBe(403)
    reader.say({ type: 'control', id: 1, action: 'stop', run: 'a' })
    expect((await reader.until('result')).error).toContain('may only watch')
    expect(calls).toEqual([])
    const asked = async (message: object, id: number) => {
      writer.say({ ...message, id })
      return (await writer.until('result', result => result.id === id)).error
    }
    expect(await asked({ type: 'control', action: 'pause', run: 'a' }, 1)).toBeNull()
    await reader.until('runs', ({ runs }) => runs.some(row => row.name === 'a' && row.isPaused))
    expect(await asked({ type: 'control', action: 'stop', run: 'b' }, 2)).toContain('not trained by this session')
    expect(await asked({ type: 'control', action: 'stop', run: 'c' }, 3)).toContain('no run "c"')
    expect(await asked({ type: 'gate', value: 0.25, layer: 5 }, 4)).toBeNull()
    await reader.until('gates', message => message.gates.some(([layer, value]) => layer === 5 && value === 0.25))
    expect(await asked({ type: 'gate', value: 0.5 }, 5)).toBe('not this one')
    expect(await asked({ type: 'control', action: 'stop', run: 'a' }, 6)).toBeNull()
    expect(calls).toEqual([
      ['pause', run.dir],
      ['stop', run.dir],
    ])
  })

  it('are refused where no session is', async () => {
    const server = await serve(join(root, 'controls'))
    const writer = await watch(server.url)
    writer.say({ type: 'gate', id: 1, value: 0 })
    expect((await writer.until('result')).error).toContain('only watches')
    expect((await fetch(server.url.replace('/?', '/gates/scores?'))).status).toBe(404)
    expect(await writer.until('hello')).toMatchObject({ canWrite: true, canScore: false, walk: [] })
  })
})

describe('runs', () => {
  it('appear when they begin, are named by their directories, and tell what is wrong with them', async () => {
    const dir = join(root, 'later')
    const server = await serve(dir)
    const watcher = await watch(server.readUrl)
    expect((await watcher.until('runs')).runs).toEqual([])
    new FakeRun(dir, 'first', { steps: 40 }).train(40)
    mkdirSync(join(dir, 'broken'))
    writeFileSync(join(dir, 'broken', 'metrics.jsonl'), 'no json\n')
    const { runs } = await watcher.until('runs', message => message.runs.length === 2 && message.runs[1]!.next > 0)
    expect(runs[0]).toMatchObject({ name: 'broken', problem: expect.stringContaining('line 1') })
    expect(runs[1]).toMatchObject({
      name: 'first',
      status: 'done',
      step: 40,
      steps: 40,
      method: 'expansion',
      tokensPerSec: 50,
    })
  })

  it('that cannot be read or drawn leave the others alone', async () => {
    const dir = join(root, 'unreadable')
    const [torn, odd] = ['a torn', 'b odd'].map(name => new FakeRun(dir, name))
    writeFileSync(join(torn!.dir, 'run.json'), '{"recipe":')
    writeFileSync(join(odd!.dir, 'run.json'), '{"recipe":{"steps":9},"layerMap":{"rows":7}}')
    const good = new FakeRun(dir, 'c good')
    for (const run of [torn!, odd!, good]) run.train(10)
    const server = await serve(dir)
    const watcher = await watch(server.readUrl)
    watcher.say({ type: 'view', figures: ['layer-map', 'loss'], view: {} })
    const { runs } = await watcher.until('runs', message => message.runs.length === 3 && message.runs[2]!.next > 0)
    expect(runs.map(run => [run.step, run.problem])).toEqual([
      [10, expect.stringContaining('JSON')],
      [10, null],
      [10, null],
    ])
    expect((await watcher.until('error')).message).not.toBe('')
    await watcher.until('figure', message => message.figure === 'loss')
    expect(watcher.messages.filter(message => message.type === 'error')).toHaveLength(1)
  })

  it('may be one directory, and never a file', async () => {
    const server = await serve(join(root, 'later', 'first'))
    expect(((await (await part(server, '/runs')).json()) as { name: string }[]).map(run => run.name)).toEqual(['first'])
    await expect(LiveServer.start({ runs: [join(root, 'later', 'first', 'run.json')] })).rejects.toMatchObject({
      code: 'RUNS_DIRECTORY',
    })
    await expect(serve(root, { port: server.port })).rejects.toMatchObject({ code: 'LIVE_PORT' })
  })
})
