import { LabError, messageOf } from './errors.js'
import { type RetryOptions, TransientFault, withRetries } from './retry.js'

export interface FetchOptions {
  /** The fetch underneath (default: the global one). */
  fetch?: typeof fetch
  /** The longest silence, before the headers or between two chunks (default 30,000 ms). */
  stallMs?: number
  signal?: AbortSignal
}

/** One answered request whose body has not been read. Read it to the end or call `close`. */
export interface OpenedResponse {
  response: Response
  /** The body in chunks; a short body, a broken socket or a silence of `stallMs` is thrown as a TransientFault. */
  body(): AsyncGenerator<Uint8Array, void, undefined>
  close(): void
}

const SOCKET_CODES = new Set(
  (
    'ECONNRESET ECONNREFUSED ECONNABORTED ENOTFOUND EAI_AGAIN EPIPE ETIMEDOUT ENETUNREACH ENETDOWN EHOSTUNREACH EHOSTDOWN ' +
    'UND_ERR_SOCKET UND_ERR_CONNECT_TIMEOUT UND_ERR_HEADERS_TIMEOUT UND_ERR_BODY_TIMEOUT HPE_INVALID_EOF_STATE'
  ).split(' '),
)

/**
 * The wait in ms that a response asks for, or null. On a 429, `RateLimit: "name";r=0;t=SECONDS` (nothing remains, the
 * window ends in t; IETF draft-ietf-httpapi-ratelimit-headers) comes before `Retry-After` (seconds or a date), because
 * it is the exact one.
 */
export function requestedWaitMs({ status, headers }: Response, now: number = Date.now()): number | null {
  const limit = /;\s*r\s*=\s*0\s*;\s*t\s*=\s*(\d+)/.exec(headers.get('ratelimit') ?? '')
  if (status === 429 && limit) return Number(limit[1]) * 1000
  const retryAfter = headers.get('retry-after')?.trim()
  if (!retryAfter) return null
  if (/^\d+(\.\d+)?$/.test(retryAfter)) return Number(retryAfter) * 1000
  const date = Date.parse(retryAfter)
  return Number.isNaN(date) ? null : Math.max(0, date - now)
}

/** A socket fault as something to retry; any other error (bad URL, certificate, abort) as it is. */
function classify(error: unknown): unknown {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const code = (cause as { code?: unknown }).code
    if (typeof code === 'string' && SOCKET_CODES.has(code)) {
      return new TransientFault(`socket fault ${code}: ${messageOf(cause)}`, { cause: error })
    }
  }
  return error
}

/** An AbortController that follows `signal` and aborts by itself when a guarded promise takes longer than `stallMs`. */
function stallGuard(stallMs: number, signal: AbortSignal | undefined) {
  const control = new AbortController()
  const follow = () => control.abort(signal?.reason)
  signal?.throwIfAborted()
  signal?.addEventListener('abort', follow, { once: true })
  return {
    signal: control.signal,
    async during<T>(promise: Promise<T>): Promise<T> {
      const stalled = () => control.abort(new TransientFault(`no byte came for ${stallMs} ms`))
      const timer = setTimeout(stalled, stallMs)
      try {
        return await promise
      } catch (error) {
        throw control.signal.aborted ? control.signal.reason : classify(error)
      } finally {
        clearTimeout(timer)
      }
    },
    close() {
      signal?.removeEventListener('abort', follow)
      if (!control.signal.aborted) control.abort(new LabError('HTTP_CLOSED', 'the response was closed'))
    },
  }
}

/** The length that the body must have, or null where the headers do not tell (chunked, compressed, no body). */
function expectedLength(response: Response): number | null {
  const length = response.headers.get('content-length')
  return length === null || response.headers.has('content-encoding') ? null : Number(length)
}

/**
 * One attempt of one request, without retries. Statuses worth another attempt (408, 429, 5xx), socket faults and
 * stalls are thrown as {@link TransientFault}; every other answer, 404 included, is returned.
 */
export async function openResponse(url: string, init: RequestInit, options: FetchOptions): Promise<OpenedResponse> {
  const { stallMs = 30_000, signal } = options
  const guard = stallGuard(stallMs, signal)
  let response: Response
  try {
    response = await guard.during((options.fetch ?? fetch)(url, { ...init, signal: guard.signal }))
  } catch (error) {
    guard.close()
    throw error
  }
  if (response.status === 408 || response.status === 429 || response.status >= 500) {
    guard.close()
    throw new TransientFault(`HTTP status ${response.status}`, { waitMs: requestedWaitMs(response) })
  }
  return { response, body: () => guardedBody(response, guard, init.method), close: guard.close }
}

async function* guardedBody(
  response: Response,
  guard: ReturnType<typeof stallGuard>,
  method: string | undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    if (!response.body || method === 'HEAD') return
    const reader = response.body.getReader()
    const expected = expectedLength(response)
    let received = 0
    for (;;) {
      const { done, value } = await guard.during(reader.read())
      if (done) break
      received += value.byteLength
      yield value
    }
    if (expected !== null && received !== expected) {
      throw new TransientFault(`short body: ${received} of ${expected} bytes came`)
    }
  } finally {
    guard.close()
  }
}

/** Reads a whole body into one array; more than `maxBytes` is an error that names the limit. */
export async function readBody(opened: OpenedResponse, maxBytes: number): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array[] = []
  let total = 0
  for await (const chunk of opened.body()) {
    total += chunk.byteLength
    if (total > maxBytes) {
      throw new LabError('HTTP_BODY_TOO_LARGE', `${opened.response.url}: the answer is larger than ${maxBytes} bytes`)
    }
    chunks.push(chunk)
  }
  const whole = new Uint8Array(total)
  let at = 0
  for (const chunk of chunks) {
    whole.set(chunk, at)
    at += chunk.byteLength
  }
  return whole
}

/** The same response with its body in memory (at most `maxBytes`), without the headers that described the transfer. */
export async function readResponse(opened: OpenedResponse, maxBytes: number): Promise<Response> {
  const body = await readBody(opened, maxBytes)
  const { status, statusText, url } = opened.response
  const headers = new Headers(opened.response.headers)
  headers.delete('content-encoding')
  headers.delete('content-length')
  const bodyless = status === 204 || status === 205 || status === 304
  const whole = new Response(bodyless ? null : body, { status, statusText, headers })
  // the constructor leaves the URL empty, and callers use it in messages and to see where a redirect led
  Object.defineProperty(whole, 'url', { value: url })
  return whole
}

export interface RetryingFetchOptions extends FetchOptions, RetryOptions {
  /** Largest body that is accepted (default 64 MB): bodies are held in memory, see {@link retryingFetch}. */
  maxBodyBytes?: number
}

/**
 * A `fetch` for requests with small answers that may be repeated (listings, metadata, ranges). Each attempt reads its
 * body to the end before it counts as a success, so a short, broken or stalled body is retried like a bad status.
 * Large files are streamed with {@link openResponse} instead. A `Request` object as input is refused: its body could
 * be sent only once.
 */
export function retryingFetch(options: RetryingFetchOptions = {}): typeof fetch {
  const { maxBodyBytes = 64_000_000 } = options
  return async (input, init = {}) => {
    if (input instanceof Request) throw new LabError('HTTP_INPUT', 'expected a URL or a string, got a Request object')
    const url = String(input)
    const signal = init.signal ?? options.signal
    return withRetries(
      `${init.method ?? 'GET'} ${url}`,
      async () => {
        return readResponse(await openResponse(url, init, { ...options, signal }), maxBodyBytes)
      },
      { ...options, signal },
    )
  }
}
