import { formatHubAddress, parseHubAddress } from '../checkpoint/hub-address.js'
import { type HubByteSourceOptions, openHubByteSource } from '../checkpoint/hub-byte-source.js'
import { listHubFiles } from '../checkpoint/hub-list.js'
import type { ByteSource } from '../util/byte-source.js'
import type { RetryEvent } from '../util/retry.js'

/** How one shard is opened and read. */
export interface OpenOptions {
  onRetry?: (event: RetryEvent) => void
  /** Ends waiting for the network, while the shard is opened and read; reading then throws its reason. */
  signal?: AbortSignal
}

/** Access to files of `hf://` addresses. */
export interface RemoteFiles {
  /** The files that match `hf://datasets/owner/name[@revision]/glob`; their paths carry the commit that the revision stands for. */
  list(pattern: string): Promise<{ path: string; byteLength: number }[]>
  open(path: string, options?: OpenOptions): Promise<ByteSource>
}

/** Files of the Hugging Face hub, read by ranges through its block cache. A signal given here ends all, listing and reading. */
export function hubFiles(options: HubByteSourceOptions = {}): RemoteFiles {
  return {
    async list(pattern) {
      const address = parseHubAddress(pattern)
      const { commit, files } = await listHubFiles(address, options)
      return files.map(({ path, byteLength }) => ({
        path: formatHubAddress({ ...address, revision: commit, path }),
        byteLength,
      }))
    },
    open(path, { onRetry, signal } = {}) {
      const onEvent: HubByteSourceOptions['onEvent'] = event => {
        options.onEvent?.(event)
        if (event.kind === 'retry') onRetry?.(event)
      }
      const until = options.signal && signal ? AbortSignal.any([options.signal, signal]) : signal
      return openHubByteSource(path, { ...options, ...(until ? { signal: until } : {}), onEvent })
    },
  }
}
