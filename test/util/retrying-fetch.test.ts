import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { backoffMs, type RetryEvent, TransientFault, withRetries } from '../../src/util/retry.js'
import { type RetryingFetchOptions, requestedWaitMs, retryingFetch } from '../../src/util/retrying-fetch.js'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

const closers: (() => void)[] = []
afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A server that answers the n-th request with the n-th handler, and every later one with the last. */
async function serve(...handlers: Handler[]) {
  const seen: IncomingMessage[] = []
  const server = createServer((request, response) => {
    seen.push(request)
    handlers[Math.min(seen.length, handlers.length) - 1]!(request, response)
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/x`, seen }
}

/** Options that record waits instead of waiting. */
function recording(options: RetryingFetchOptions = {}) {
  const waits: number[] = []
  const events: RetryEvent[] = []
  const fetcher = retryingFetch({
    random: () => 0.5,
    sleep: async ms => void waits.push(ms),
    onRetry: event => events.push(event),
    ...options,
  })
  return { fetcher, waits, events }
}

const ok: Handler = (_, response) => response.end('hello')
const status =
  (code: number, headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    response.writeHead(code, headers).end('no')

test('statuses worth another attempt are retried with growing jittered waits, each one an event', async () => {
  const { url, seen } = await serve(status(500), status(503), status(408), ok)
  const { fetcher, waits, events } = recording()
  expect(await (await fetcher(url)).text()).toBe('hello')
  expect(seen).toHaveLength(4)
  expect(waits).toEqual([250, 500, 1000])
  expect(events.map(({ attempt, reason, maxAttempts }) => [attempt, reason, maxAttempts])).toEqual([
    [1, 'HTTP status 500', 6],
    [2, 'HTTP status 503', 6],
    [3, 'HTTP status 408', 6],
  ])
})

test('Retry-After and RateLimit are waited for exactly', async () => {
  const { url } = await serve(
    status(429, { 'retry-after': '7' }),
    status(429, { ratelimit: '"api";r=0;t=55', 'retry-after': '3' }),
    status(503, { ratelimit: '"api";r=0;t=55', 'retry-after': '2' }),
    ok,
  )
  const { fetcher, waits } = recording()
  await fetcher(url)
  expect(waits).toEqual([7000, 55_000, 2000])
})

test('the wait is read from dates, and from the limit that is used up', () => {
  const now = Date.parse('2026-01-01T00:00:00Z')
  const wait = (code: number, headers: Record<string, string>) =>
    requestedWaitMs(new Response(null, { status: code, headers }), now)
  expect(wait(503, { 'retry-after': 'Thu, 01 Jan 2026 00:00:12 GMT' })).toBe(12_000)
  expect(wait(503, { 'retry-after': 'Thu, 01 Jan 2015 00:00:12 GMT' })).toBe(0)
  expect(wait(429, { ratelimit: '"pages";r=12;t=4, "api" ; r=0 ; t=30' })).toBe(30_000)
  expect(wait(429, { ratelimit: '"api";r=3;t=30' })).toBeNull()
  expect(wait(503, { 'retry-after': 'soon' })).toBeNull()
})

test('a wait beyond the limit is an error that names it', async () => {
  const { url, seen } = await serve(status(429, { 'retry-after': '86400' }))
  const { fetcher } = recording()
  await expect(fetcher(url)).rejects.toMatchObject({
    code: 'RETRY_WAIT_TOO_LONG',
    message: expect.stringContaining('86400 s'),
  })
  expect(seen).toHaveLength(1)
})

test('answers that will not change are returned at once', async () => {
  for (const code of [404, 403, 401, 416, 304]) {
    const { url, seen } = await serve(status(code))
    expect((await recording().fetcher(url)).status).toBe(code)
    expect(seen).toHaveLength(1)
  }
})

test('short bodies, broken sockets and refused connections are retried', async () => {
  const short: Handler = (_, response) => {
    response.writeHead(200, { 'content-length': '5' })
    response.write('he')
    setTimeout(() => response.destroy(), 10)
  }
  const reset: Handler = request => request.socket.resetAndDestroy()
  const { url, seen } = await serve(short, reset, ok)
  const { fetcher, events } = recording()
  const response = await fetcher(url)
  expect(await response.text()).toBe('hello')
  expect(response.url).toBe(url)
  expect(seen).toHaveLength(3)
  expect(events.every(({ reason }) => /socket fault|short body/.test(reason))).toBe(true)

  const closed = await serve(ok)
  for (const close of closers.splice(0)) close()
  const refused = recording({ maxAttempts: 2 })
  await expect(refused.fetcher(closed.url)).rejects.toMatchObject({ code: 'RETRY_GAVE_UP' })
  expect(refused.events[0]!.reason).toContain('ECONNREFUSED')
})

test('a silence before the headers or inside the body is a stall', async () => {
  const silent: Handler = () => {}
  const half: Handler = (_, response) => void response.writeHead(200, { 'content-length': '5' }).write('he')
  const { url, seen } = await serve(silent, half, ok)
  const { fetcher, events } = recording({ stallMs: 60 })
  expect(await (await fetcher(url)).text()).toBe('hello')
  expect(seen).toHaveLength(3)
  expect(events.map(({ reason }) => reason)).toEqual(['no byte came for 60 ms', 'no byte came for 60 ms'])
})

test('slow but steady bodies are no stall', async () => {
  const { url, seen } = await serve((_, response) => {
    response.writeHead(200, { 'content-length': '5' })
    let sent = 0
    const timer = setInterval(() => {
      response.write('hello'[sent++])
      if (sent === 5) response.end(clearInterval(timer))
    }, 40)
  })
  expect(await (await recording({ stallMs: 120 }).fetcher(url)).text()).toBe('hello')
  expect(seen).toHaveLength(1)
})

test('it gives up after maxAttempts and keeps the last fault as the cause', async () => {
  const { url, seen } = await serve(status(500))
  const failure = await recording({ maxAttempts: 3 })
    .fetcher(url)
    .catch(error => error)
  expect(failure).toMatchObject({
    code: 'RETRY_GAVE_UP',
    message: expect.stringMatching(/3 attempts.*HTTP status 500/),
  })
  expect(failure.cause).toBeInstanceOf(TransientFault)
  expect(seen).toHaveLength(3)
})

test('an abort ends a request and a wait at once, with the reason of the signal', async () => {
  const { url } = await serve(() => {})
  const during = new AbortController()
  setTimeout(() => during.abort(new Error('enough')), 30)
  await expect(recording().fetcher(url, { signal: during.signal })).rejects.toThrow('enough')

  const bad = await serve(status(503, { 'retry-after': '60' }))
  const waiting = new AbortController()
  const started = Date.now()
  const fetcher = retryingFetch({
    signal: waiting.signal,
    onRetry: () => setTimeout(() => waiting.abort(new Error('stop')), 30),
  })
  await expect(fetcher(bad.url)).rejects.toThrow('stop')
  expect(Date.now() - started).toBeLessThan(5000)
  expect(bad.seen).toHaveLength(1)
})

test('a body above the limit is refused', async () => {
  const { url } = await serve((_, response) => response.end('x'.repeat(100_000)))
  await expect(recording({ maxBodyBytes: 1000 }).fetcher(url)).rejects.toMatchObject({ code: 'HTTP_BODY_TOO_LARGE' })
})

test('mistakes of the caller are not retried', async () => {
  const { fetcher, waits } = recording()
  await expect(fetcher('no url')).rejects.toThrow()
  await expect(fetcher(new Request('http://127.0.0.1:1/'))).rejects.toMatchObject({ code: 'HTTP_INPUT' })
  expect(waits).toEqual([])
})

test('progress starts the count of failures again', async () => {
  let runs = 0
  const attempt = async () => {
    runs++
    if (runs < 20) throw new TransientFault('cut', { progressed: runs % 2 === 0 })
    return 'done'
  }
  expect(await withRetries('work', attempt, { maxAttempts: 3, sleep: async () => {} })).toBe('done')
})

test('the random wait stays within its bounds', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.double({ min: 0, max: 0.999999, noNaN: true }),
      (failures, draw) => {
        const wait = backoffMs(failures, { baseMs: 100, capMs: 3000, random: () => draw })
        return wait >= 0 && wait < Math.min(3000, 100 * 2 ** (failures - 1)) + 1e-9
      },
    ),
  )
})
