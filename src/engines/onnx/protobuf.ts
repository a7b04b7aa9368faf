/** The few wire forms of protobuf that an ONNX model needs: varints, 32-bit floats and length-delimited fields. */
export class ProtoWriter {
  readonly #chunks: Uint8Array[] = []

  varint(field: number, value: number | bigint): this {
    return this.#push(varintBytes((field << 3) | 0), varintBytes(value))
  }

  float(field: number, value: number): this {
    const bytes = new Uint8Array(4)
    new DataView(bytes.buffer).setFloat32(0, value, true)
    return this.#push(varintBytes((field << 3) | 5), bytes)
  }

  bytes(field: number, value: Uint8Array): this {
    return this.#push(varintBytes((field << 3) | 2), varintBytes(value.byteLength), value)
  }

  string(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value))
  }

  message(field: number, value: ProtoWriter): this {
    return this.bytes(field, value.finish())
  }

  /** All fields written so far. */
  finish(): Uint8Array {
    const out = new Uint8Array(this.#chunks.reduce((n, c) => n + c.byteLength, 0))
    let at = 0
    for (const chunk of this.#chunks) {
      out.set(chunk, at)
      at += chunk.byteLength
    }
    return out
  }

  #push(...chunks: Uint8Array[]): this {
    this.#chunks.push(...chunks)
    return this
  }
}

/** Base-128 little-endian; negative numbers as 64-bit two's complement. */
function varintBytes(value: number | bigint): Uint8Array {
  let rest = BigInt.asUintN(64, BigInt(value))
  const bytes: number[] = []
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return Uint8Array.from(bytes)
}
