import { createHash } from 'node:crypto'
import type { Model } from '../model/model.js'

/**
 * SHA-256 over the bytes of the named parameters as they are on the device, in their order.
 * @throws the signal's reason when aborted
 */
export async function frozenDigest(model: Model, paths: readonly string[], signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  for (const path of paths) {
    signal?.throwIfAborted()
    hash.update(path)
    for (const part of model.parameter(path).parts) {
      const values = await part.readStored()
      hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    }
  }
  return hash.digest('hex')
}
