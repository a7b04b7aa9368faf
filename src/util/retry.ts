import { setTimeout as delay } from 'node:timers/promises'
import { LabError } from './errors.js'

/** One retry that is about to happen; a front end shows it, a test counts it. */
export interface RetryEvent {
  /** What is being tried, usually method and URL. */
  what: string
  /** The attempt that failed, counted from 1 since the last progress. */
  attempt: number
  maxAttempts: number
  waitMs: number
  /** The fault, in words. */
  reason: string
}

export interface RetryOptions {
  /** Attempts in all before giving up (default 6). Attempts that made progress do not count. */
  maxAttempts?: number
  /** Upper bound of the first random wait (default 500); doubles with every failure. */
  baseMs?: number
  /** Upper bound of any random wait (default 20,000). */
  capMs?: number
  /** The longest wait that a server may ask for (default 600,000); more is an error that names the time. */
  maxWaitMs?: number
  /** Uniform in [0, 1); default `Math.random`: waits of several clients must differ, so this is not seeded. */
  random?: () => number
  sleep?: (ms: number, signal?: AbortSignal) => Promise<void>
  signal?: AbortSignal
  onRetry?: (event: RetryEvent) => void
}

/** A fault that may pass when the same thing is tried again. */
export class TransientFault extends LabError {
  /** The exact wait that the other side asked for, or null for a random one. */
  readonly waitMs: number | null
  /** Whether the attempt brought the work forward (bytes on disk): then the count of failures starts again. */
  readonly progressed: boolean

  constructor(message: string, options: { waitMs?: number | null; progressed?: boolean; cause?: unknown } = {}) {
    super('TRANSIENT', message, { cause: options.cause })
    this.waitMs = options.waitMs ?? null
    this.progressed = options.progressed ?? false
  }
}

/** Waits, and throws the signal's reason as soon as it is aborted. */
export async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  }
}

/** Full jitter: uniform in [0, min(capMs, baseMs * 2^(failures - 1))). */
export function backoffMs(
  failures: number,
  { baseMs = 500, capMs = 20_000, random = Math.random }: RetryOptions,
): number {
  return random() * Math.min(capMs, baseMs * 2 ** (failures - 1))
}

/**
 * Runs `attempt` until it returns. A {@link TransientFault} is tried again after the wait it asks for, or after a
 * random one; anything else is thrown as it is.
 * @throws LabError `RETRY_GAVE_UP` after `maxAttempts` failures in a row (its cause is the last fault) and
 *   `RETRY_WAIT_TOO_LONG` when a server asks for more than `maxWaitMs`; the signal's reason when aborted.
 */
export async function withRetries<T>(what: string, attempt: () => Promise<T>, options: RetryOptions = {}): Promise<T> {
  const { maxAttempts = 6, maxWaitMs = 600_000, signal, onRetry } = options
  let failures = 0
  for (;;) {
    signal?.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof TransientFault)) throw error
      failures = error.progressed ? 1 : failures + 1
      if (failures >= maxAttempts) throw gaveUp(what, failures, error)
      const waitMs = error.waitMs ?? backoffMs(failures, options)
      if (waitMs > maxWaitMs) throw waitTooLong(what, waitMs, maxWaitMs, error)
      onRetry?.({ what, attempt: failures, maxAttempts, waitMs, reason: error.message })
      await (options.sleep ?? sleep)(waitMs, signal)
    }
  }
}

function gaveUp(what: string, attempts: number, cause: TransientFault): LabError {
  const times = attempts === 1 ? 'one attempt' : `${attempts} attempts`
  return new LabError('RETRY_GAVE_UP', `${what} failed after ${times}; the last fault: ${cause.message}`, { cause })
}

function waitTooLong(what: string, waitMs: number, maxWaitMs: number, cause: TransientFault): LabError {
  const seconds = (ms: number) => Math.ceil(ms / 1000)
  return new LabError(
    'RETRY_WAIT_TOO_LONG',
    `${what}: the server asks to wait ${seconds(waitMs)} s (${cause.message}), longer than the ${seconds(maxWaitMs)} s ` +
      'that a retry may wait. Run it again after that time.',
    { cause },
  )
}
