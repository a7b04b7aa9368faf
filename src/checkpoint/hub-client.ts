import { datasetInfo, modelInfo } from '@huggingface/hub'
import { LabError } from '../util/errors.js'
import type { RetryEvent, RetryOptions } from '../util/retry.js'
import { type FetchOptions, retryingFetch } from '../util/retrying-fetch.js'
import { COMMIT_PATTERN, describeRepo, type HubAddress } from './hub-address.js'
import { readRef, repoCache, writeRef } from './hub-cache.js'
import {
  type Environment,
  type HubToken,
  hubCacheDirectory,
  hubEndpoint,
  isHubOffline,
  readHubToken,
} from './hub-environment.js'
import { hubRefusal } from './hub-errors.js'

/** What happens while talking to the hub, apart from progress. */
export type HubEvent =
  | ({ kind: 'retry' } & RetryEvent)
  /** A download goes on from bytes that an earlier attempt or process left. */
  | { kind: 'resume'; path: string; fromByte: number }
  /** A partial download was thrown away and begins again. */
  | { kind: 'restart'; path: string; reason: string }
  /** Another process or call is downloading the same file; its pid when known. */
  | { kind: 'wait'; path: string; pid: number | null }
  /** The hub could not be reached, and what is cached is used instead. */
  | { kind: 'cached'; reason: string }
  /** What was fetched cannot be kept in the block cache (a full or read-only disk); told once a file, reading goes on. */
  | { kind: 'uncached'; path: string; reason: string }

export interface HubOptions {
  signal?: AbortSignal
  onEvent?: (event: HubEvent) => void
  /** The fetch underneath (default: the global one). */
  fetch?: typeof fetch
  /** Default: `HF_ENDPOINT`, or https://huggingface.co. */
  hubUrl?: string
  /** Default: the cache directory of huggingface_hub (`HF_HUB_CACHE`, `HF_HOME`). */
  cacheDir?: string
  /** Access token; null for none. Default: `HF_TOKEN` or the file of `hf auth login`. */
  token?: string | null
  /** No request at all, only what is cached (default: `HF_HUB_OFFLINE`). */
  offline?: boolean
  /** Attempts, waits, jitter; see {@link RetryOptions}. */
  retry?: Omit<RetryOptions, 'signal' | 'onRetry'>
  /** The longest silence of the server (default 30,000). */
  stallMs?: number
  /** Default `process.env`. */
  env?: Environment
}

/** The options of one call with every default filled in. */
export interface HubClient {
  hubUrl: string
  cacheDir: string
  token: HubToken | null
  /** Why no request may be made, or null when requests are allowed. */
  offline: string | null
  signal: AbortSignal | undefined
  emit: (event: HubEvent) => void
  fetchOptions: FetchOptions
  retryOptions: RetryOptions
}

const OFFLINE_BY_CHOICE = 'requests are switched off (HF_HUB_OFFLINE)'

export function hubClient(options: HubOptions = {}): HubClient {
  const { env = process.env, signal, onEvent, token } = options
  const emit = (event: HubEvent) => onEvent?.(event)
  return {
    hubUrl: options.hubUrl?.replace(/\/+$/, '') ?? hubEndpoint(env),
    cacheDir: options.cacheDir ?? hubCacheDirectory(env),
    token: token === undefined ? readHubToken(env) : token === null ? null : { value: token, from: 'the option token' },
    offline: (options.offline ?? isHubOffline(env)) ? OFFLINE_BY_CHOICE : null,
    signal,
    emit,
    fetchOptions: { fetch: options.fetch, stallMs: options.stallMs, signal },
    retryOptions: { ...options.retry, signal, onRetry: event => emit({ kind: 'retry', ...event }) },
  }
}

/** The authorization header for a URL of the hub itself; no other host is ever sent the token. */
export function authorization(client: HubClient, url: string): Record<string, string> {
  const own = new URL(url).origin === new URL(client.hubUrl).origin
  return client.token && own ? { authorization: `Bearer ${client.token.value}` } : {}
}

/**
 * The `fetch` that @huggingface/hub is given: retries, the token, and refusals (401, 403, 404) thrown as errors that say
 * what to do. The token goes through here and not through the library because the library refuses tokens of mirrors.
 */
export function hubFetch(client: HubClient, address: HubAddress): typeof fetch {
  const retrying = retryingFetch({ ...client.fetchOptions, ...client.retryOptions })
  return async (input, init) => {
    const url = String(input)
    const headers = { ...(init?.headers as Record<string, string> | undefined), ...authorization(client, url) }
    const response = await retrying(url, { ...init, headers })
    if (!response.ok) throw await hubRefusal(client, address, response)
    return response
  }
}

/** The error for something that is needed and not cached while no request may be made. */
export function notCached(client: HubClient, address: HubAddress, what: string): LabError {
  return new LabError(
    'HUB_OFFLINE',
    `${what} of ${describeRepo(address)} is not in the cache ${client.cacheDir}, and ${client.offline}. ` +
      'Run it once with the hub in reach and HF_HUB_OFFLINE unset, or copy the cache from a machine that has it.',
  )
}

/** The client to go on with after the hub could not be reached: only the cache from here on. Rethrows other errors. */
export function cachedOnly(client: HubClient, error: unknown): HubClient {
  if (!(error instanceof LabError && error.code === 'RETRY_GAVE_UP')) throw error
  client.emit({ kind: 'cached', reason: error.message })
  return { ...client, offline: `the hub could not be reached (${error.message})` }
}

/**
 * The commit that an address means now, and the client to go on with. A full commit id needs no request; offline, and
 * when the hub cannot be reached, it is the commit of the last time (with a `cached` event).
 */
export async function resolveCommit(
  client: HubClient,
  address: HubAddress,
): Promise<{ commit: string; client: HubClient }> {
  const revision = address.revision ?? 'main'
  if (COMMIT_PATTERN.test(revision)) return { commit: revision, client }
  const cache = repoCache(client.cacheDir, address)
  const known = readRef(cache, revision)
  if (client.offline) {
    if (known === null) throw notCached(client, address, `the revision "${revision}"`)
    return { commit: known, client }
  }
  try {
    const commit = await askCommit(client, address, revision)
    writeRef(cache, revision, commit)
    return { commit, client }
  } catch (error) {
    if (known === null) throw error
    return { commit: known, client: cachedOnly(client, error) }
  }
}

async function askCommit(client: HubClient, address: HubAddress, revision: string): Promise<string> {
  const request = { name: address.repo, revision, hubUrl: client.hubUrl, fetch: hubFetch(client, address) }
  const { sha } =
    address.repoType === 'model'
      ? await modelInfo({ ...request, additionalFields: ['sha'] })
      : await datasetInfo({ ...request, additionalFields: ['sha'] })
  if (typeof sha === 'string' && COMMIT_PATTERN.test(sha)) return sha
  throw new LabError(
    'HUB_LISTING',
    `${client.hubUrl} gave no commit id for ${describeRepo(address)}@${revision}: ${sha}`,
  )
}
