/**
 * What user code may give to be sent, checked in the cell that gives it. After the check nothing on the way can fail: a message that
 * could not be handed over would leave its barrier in the ring of text, one that ZeroMQ refuses would end the server thread.
 */
import { isAnyArrayBuffer } from 'node:util/types'

/** JSON text; integers beyond a double are written as text, since JSON readers would round them. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, item) => (typeof item === 'bigint' ? item.toString() : item))
}

/** JSON text of an object. @throws TypeError when `value` is none: undefined, a list, a function, a circle */
export function objectToJson(value: unknown, name: string): string {
  const json = toJson(value) as string | undefined
  if (json === undefined || !json.startsWith('{'))
    throw new TypeError(`${name}: expected an object that JSON can hold, got ${json?.slice(0, 40) ?? typeof value}`)
  return json
}

/** The bytes of buffers, copied: the sender may change or hand on its own. @throws TypeError when one holds no bytes, or none any more */
export function copyBuffers(buffers: unknown): Uint8Array[] {
  if (!Array.isArray(buffers)) throw new TypeError(`buffers: expected a list of Uint8Arrays, got ${typeof buffers}`)
  return buffers.map((buffer: unknown, i) => {
    if (ArrayBuffer.isView(buffer)) return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength).slice()
    if (isAnyArrayBuffer(buffer)) return new Uint8Array(buffer).slice()
    throw new TypeError(`buffers[${i}]: expected a Uint8Array, got ${buffer === null ? 'null' : typeof buffer}`)
  })
}
