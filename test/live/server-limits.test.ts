import { EventEmitter, once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import type { WebSocket } from 'ws'
import { LiveClient } from '../../src/live/client.js'
import { liveServers } from './servers.js'
import { FakeRun } from './support.js'

const { root, serve, watch, part } = liveServers()
mkdirSync(join(root, 'access'))

const count = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i)

describe('how much is sent', () => {
  it('is one message of records a run in a tick, ten ticks a second', async () => {
    const dir = join(root, 'pace')
    const run = new FakeRun(dir, 'a')
    const server = await serve(dir)
    const watcher = await watch(server.readUrl)
    watcher.say({ type: 'follow' })
    await watcher.until('runs', ({ runs }) => runs.length === 1)
    const sent = () => watcher.messages.filter(message => message.type === 'records').length
    const [before, started] = [sent(), performance.now()]
    const writing = setInterval(() => run.train(1), 5)
    await new Promise(resolve => setTimeout(resolve, 1500))
    clearInterval(writing)
    const ticks = (performance.now() - started) / 100
    expect(sent() - before).toBeGreaterThan(2)
    expect(sent() - before).toBeLessThanOrEqual(Math.ceil(ticks) + 1)
  })

  it('is nothing to a page that does not take what it was sent, and all of it later', async () => {
    const dir = join(root, 'slow')
    const run = new FakeRun(dir, 'a')
    run.train(10)
    const server = await serve(dir)
    await server.update()
    const sent: string[] = []
    const socket = Object.assign(new EventEmitter(), {
      OPEN: 1,
      readyState: 1,
      bufferedAmount: 0,
      send: (text: string) => sent.push(text),
    })
    const client = new LiveClient(socket as unknown as WebSocket, 'read', server)
    socket.emit('message', Buffer.from('{"type":"follow","history":1000}'), false)
    socket.bufferedAmount = (1 << 20) + 1
    const before = sent.length
    for (let i = 0; i < 5; i++) await client.tick(null)
    expect(sent.length).toBe(before)
    run.train(10)
    await server.update()
    socket.bufferedAmount = 0
    for (let i = 0; i < 3; i++) await client.tick(null)
    const records = sent
      .map(text => JSON.parse(text))
      .flatMap(({ type, records: some }) => (type === 'records' ? some : []))
    expect(records.map((record: { seq: number }) => record.seq)).toEqual(count(0, run.writer.last!.seq + 1))
  })

  it('ends for a peer that answers no ping, and goes on for one that does', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const server = await serve(join(root, 'access'))
      const alive = await watch(server.readUrl)
      const pinged = () => new Promise(resolve => alive.socket.once('ping', resolve))
      const dead = connect(server.port, '127.0.0.1')
      const key = Buffer.alloc(16).toString('base64')
      const path = server.readUrl.replace(/^.*\/\?/, '/live?')
      const upgrade = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}`
      dead.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\n${upgrade}\r\n\r\n`)
      dead.on('error', () => {})
      dead.resume()
      await expect.poll(() => server.clients).toBe(2)
      const closed = once(dead, 'close')
      const first = pinged()
      vi.advanceTimersByTime(15_000)
      await first
      // the answer has to arrive before the next ping
      await part(server, '/runs')
      expect(server.clients).toBe(2)
      const second = pinged()
      vi.advanceTimersByTime(15_000)
      await Promise.all([second, closed])
      await expect.poll(() => server.clients).toBe(1)
      expect(alive.socket.readyState).toBe(alive.socket.OPEN)
    } finally {
      vi.useRealTimers()
    }
  })

  it('goes to thirty-two pages at most; a place that becomes free is given again', async () => {
    const server = await serve(join(root, 'access'))
    const open = await Promise.all(Array.from({ length: 32 }, () => watch(server.readUrl)))
    await expect(watch(server.readUrl)).rejects.toThrow('503')
    open[0]!.close()
    await expect.poll(() => server.clients).toBe(31)
    await watch(server.readUrl)
    expect(server.clients).toBe(32)
  })
})
