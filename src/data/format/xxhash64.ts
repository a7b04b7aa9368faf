/**
 * XXH64 with seed 0 over a stream, its low 32 bits: the content checksum of Zstandard frames (RFC 8878, section 3.1.1).
 * 64-bit numbers are pairs of 32-bit halves, several times faster here than BigInt.
 */
const P1: Pair = [0x9e3779b1, 0x85ebca87]
const P2: Pair = [0xc2b2ae3d, 0x27d4eb4f]
const P3: Pair = [0x165667b1, 0x9e3779f9]
const P4: Pair = [0x85ebca77, 0xc2b2ae63]
const P5: Pair = [0x27d4eb2f, 0x165667c5]
const STRIPE_BYTES = 32

type Pair = [high: number, low: number]

function add(a: Pair, b: Pair): Pair {
  const low = (a[1] >>> 0) + (b[1] >>> 0)
  return [(a[0] + b[0] + (low > 0xffff_ffff ? 1 : 0)) | 0, low | 0]
}

function multiply(a: Pair, b: Pair): Pair {
  return [(multiplyHigh(a[1], b[1]) + Math.imul(a[0], b[1]) + Math.imul(a[1], b[0])) | 0, Math.imul(a[1], b[1])]
}

/** The upper 32 bits of an unsigned 32 x 32 bit product, by 16-bit limbs. */
function multiplyHigh(a: number, b: number): number {
  const a0 = a & 0xffff
  const a1 = a >>> 16
  const b0 = b & 0xffff
  const b1 = b >>> 16
  const middle = a1 * b0 + ((a0 * b0) >>> 16)
  const other = a0 * b1 + (middle & 0xffff)
  return a1 * b1 + (middle >>> 16) + (other >>> 16)
}

function rotate(a: Pair, bits: number): Pair {
  const [high, low] = bits < 32 ? a : [a[1], a[0]]
  const n = bits & 31
  return [(high << n) | (low >>> (32 - n)), (low << n) | (high >>> (32 - n))]
}

function xor(a: Pair, b: Pair): Pair {
  return [a[0] ^ b[0], a[1] ^ b[1]]
}

function shiftRight(a: Pair, bits: number): Pair {
  return bits < 32 ? [a[0] >>> bits, (a[0] << (32 - bits)) | (a[1] >>> bits)] : [0, a[0] >>> (bits - 32)]
}

function round(accumulator: Pair, input: Pair): Pair {
  return multiply(rotate(add(accumulator, multiply(input, P2)), 31), P1)
}

function load64(view: DataView, offset: number): Pair {
  return [view.getInt32(offset + 4, true), view.getInt32(offset, true)]
}

/** A running XXH64; {@link Xxh64.low32} may be asked once all bytes have been given. */
export class Xxh64 {
  readonly #lanes: Pair[] = [add(P1, P2), P2, [0, 0], [-P1[0] - 1, -P1[1]]]
  readonly #pending = new Uint8Array(STRIPE_BYTES)
  #pendingBytes = 0
  #totalBytes = 0

  update(bytes: Uint8Array): void {
    this.#totalBytes += bytes.byteLength
    let rest = bytes
    if (this.#pendingBytes > 0) {
      const take = Math.min(STRIPE_BYTES - this.#pendingBytes, rest.byteLength)
      this.#pending.set(rest.subarray(0, take), this.#pendingBytes)
      this.#pendingBytes += take
      rest = rest.subarray(take)
      if (this.#pendingBytes < STRIPE_BYTES) return
      this.#stripes(this.#pending)
      this.#pendingBytes = 0
    }
    const whole = rest.byteLength - (rest.byteLength % STRIPE_BYTES)
    this.#stripes(rest.subarray(0, whole))
    this.#pending.set(rest.subarray(whole))
    this.#pendingBytes = rest.byteLength - whole
  }

  #stripes(bytes: Uint8Array): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    const lanes = this.#lanes
    for (let offset = 0; offset < bytes.byteLength; offset += STRIPE_BYTES)
      for (let lane = 0; lane < 4; lane++) lanes[lane] = round(lanes[lane]!, load64(view, offset + 8 * lane))
  }

  #merged(): Pair {
    if (this.#totalBytes < STRIPE_BYTES) return P5
    const [a, b, c, d] = this.#lanes as [Pair, Pair, Pair, Pair]
    let hash = add(add(rotate(a, 1), rotate(b, 7)), add(rotate(c, 12), rotate(d, 18)))
    for (const lane of this.#lanes) hash = add(multiply(xor(hash, round([0, 0], lane)), P1), P4)
    return hash
  }

  /** The low 32 bits of the hash, unsigned. */
  low32(): number {
    const tail = this.#pending.subarray(0, this.#pendingBytes)
    const view = new DataView(tail.buffer, 0, tail.byteLength)
    let hash = add(this.#merged(), [0, this.#totalBytes])
    let offset = 0
    for (; offset + 8 <= tail.byteLength; offset += 8)
      hash = add(multiply(rotate(xor(hash, round([0, 0], load64(view, offset))), 27), P1), P4)
    for (; offset + 4 <= tail.byteLength; offset += 4)
      hash = add(multiply(rotate(xor(hash, multiply([0, view.getInt32(offset, true)], P1)), 23), P2), P3)
    for (; offset < tail.byteLength; offset++)
      hash = multiply(rotate(xor(hash, multiply([0, tail[offset]!], P5)), 11), P1)
    hash = multiply(xor(hash, shiftRight(hash, 33)), P2)
    hash = multiply(xor(hash, shiftRight(hash, 29)), P3)
    return xor(hash, shiftRight(hash, 32))[1] >>> 0
  }
}
