/** Random and sequential access to the bytes of one file, wherever it lies: on disk, in memory or behind a URL. */
export interface ByteSource {
  /** Where the bytes come from, for messages: a file path or an address. */
  readonly path: string
  readonly byteLength: number
  /** The bytes of [start, end); fewer are an error. The array belongs to the caller. */
  slice(start: number, end: number): Promise<Uint8Array>
  /** The bytes from `start` (default 0) to the end, in chunks of a size that the source chooses. */
  stream(start?: number): AsyncIterable<Uint8Array>
}
