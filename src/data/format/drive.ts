import type { Transform } from 'node:stream'

/**
 * Feeds a decoder piece by piece and gives what came out of each piece before the next is written. A pipe would not do: it drops
 * buffered output when the decoder fails, and how much that is depends on timing. Here the output before a fault is delivered, always the
 * same amount for the same pieces. The decoder is destroyed at the end or when the iteration stops.
 */
export async function* driveDecoder(pieces: AsyncIterable<Uint8Array>, decoder: Transform): AsyncGenerator<Uint8Array> {
  let output: Uint8Array[] = []
  let failure: { error: unknown } | null = null
  let wake: () => void = () => undefined
  decoder.on('data', (bytes: Uint8Array) => void output.push(bytes))
  decoder.on('error', error => {
    failure ??= { error }
    wake()
  })
  decoder.on('end', () => wake())
  // the callback of a failed write never comes, so whatever happens first wakes this
  const step = (start: (done: () => void) => void) =>
    new Promise<void>(resolve => {
      wake = resolve
      start(resolve)
    })
  function* take(): Generator<Uint8Array> {
    const ready = output
    output = []
    yield* ready.filter(bytes => bytes.byteLength > 0)
    if (failure) throw failure.error
  }
  try {
    for await (const piece of pieces) {
      await step(done => decoder.write(piece, () => done()))
      yield* take()
    }
    await step(() => decoder.end())
    yield* take()
  } finally {
    decoder.destroy()
  }
}

/** The same bytes in pieces of exactly `pieceBytes` (the last may be shorter), so that what follows does not depend on how they arrived. */
export async function* inPieces(stream: AsyncIterable<Uint8Array>, pieceBytes: number): AsyncGenerator<Uint8Array> {
  let rest: Uint8Array = new Uint8Array(0)
  for await (const chunk of stream) {
    let bytes: Uint8Array = rest.byteLength > 0 ? Buffer.concat([rest, chunk]) : chunk
    for (; bytes.byteLength >= pieceBytes; bytes = bytes.subarray(pieceBytes)) yield bytes.subarray(0, pieceBytes)
    rest = bytes
  }
  if (rest.byteLength > 0) yield rest
}
