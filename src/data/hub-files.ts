import { formatHubAddress, parseHubAddress } from '../checkpoint/hub-address.js'
import { type HubByteSourceOptions, openHubByteSource } from '../checkpoint/hub-byte-source.js'
import { listHubFiles } from '../checkpoint/hub-list.js'
import type { ByteSource } from '../util/byte-source.js'
import type { RetryEvent } from '../util/retry.js'

/** Access to files of `hf://` addresses. */
export interface RemoteFiles {
  /** The files that match `hf://datasets/owner/name[@revision]/glob`; their paths carry the commit that the revision stands for. */
  list(pattern: string): Promise<{ path: string; byteLength: number }[]>
  open(path: string, onRetry?: (event: RetryEvent) => void): Promise<ByteSource>
}

/** Files of the Hugging Face hub, read by ranges through its block cache. */
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
    open(path, onRetry) {
      const onEvent: HubByteSourceOptions['onEvent'] = event => {
        options.onEvent?.(event)
        if (event.kind === 'retry') onRetry?.(event)
      }
      return openHubByteSource(path, { ...options, onEvent })
    },
  }
}
