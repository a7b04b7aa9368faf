/**
 * Counter-based random numbers: every draw is a pure function of (key, counter), so any position of a stream can be
 * recomputed without the draws before it. Keys are mixed in 64 bits (SplitMix64), draws in 32 (Murmur3), because weights are drawn by the million.
 */
const MASK = 0xffff_ffff_ffff_ffffn

function mix64(value: bigint): bigint {
  let z = (value + 0x9e37_79b9_7f4a_7c15n) & MASK
  z = ((z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & MASK
  z = ((z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn) & MASK
  return z ^ (z >> 31n)
}

/** A 64-bit key from any number of integers and strings; order matters. */
export function keyOf(...parts: (number | bigint | string)[]): bigint {
  let key = 0x6c6c_616d_6170_726fn
  for (const part of parts) {
    if (typeof part === 'string') {
      for (const byte of new TextEncoder().encode(part)) key = mix64(key ^ BigInt(byte))
      key = mix64(key ^ 0x100n)
    } else {
      key = mix64(key ^ BigInt.asUintN(64, BigInt(part)))
    }
  }
  return key
}

/** Murmur3's 32-bit finaliser: every input bit reaches every output bit. */
function mix32(value: number): number {
  let x = value | 0
  x = Math.imul(x ^ (x >>> 16), 0x85eb_ca6b)
  x = Math.imul(x ^ (x >>> 13), 0xc2b2_ae35)
  return (x ^ (x >>> 16)) >>> 0
}

/** A sequence of draws from one key. `counter` may be read and set: equal counters give equal draws. */
export class Prng {
  counter = 0
  readonly #high: number
  readonly #low: number

  constructor(key: bigint) {
    this.#high = Number(key >> 32n)
    this.#low = Number(key & 0xffff_ffffn)
  }

  /** 32 random bits as an unsigned integer. */
  uint32(): number {
    return this.#bits(this.counter++, 0)
  }

  /** Uniform in [0, 1) with 53 bits. */
  uniform(): number {
    const counter = this.counter++
    return ((this.#bits(counter, 0) >>> 5) * 2 ** 26 + (this.#bits(counter, 1) >>> 6)) / 2 ** 53
  }

  /** Uniform integer in [0, n). */
  below(n: number): number {
    return Math.floor(this.uniform() * n)
  }

  /** Standard normal (Box-Muller, two draws). */
  normal(): number {
    const u = 1 - this.uniform()
    return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * this.uniform())
  }

  /** Lane 0 or 1 of the draw at a counter: both halves of the key and all bits of the counter go through the mixer. */
  #bits(counter: number, lane: number): number {
    const low = mix32((counter | 0) ^ this.#low)
    const high = mix32(Math.floor(counter / 2 ** 32) ^ this.#high ^ Math.imul(lane, 0x9e37_79b9))
    return mix32(Math.imul(low, 0x2545_f491) ^ high ^ (low >>> 15))
  }
}

/** A random permutation of 0..n-1 (Fisher-Yates); a pure function of its key. */
export function permutation(n: number, key: bigint): Uint32Array {
  const random = new Prng(key)
  const order = Uint32Array.from({ length: n }, (_, i) => i)
  for (let i = n - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const swap = order[i]!
    order[i] = order[j]!
    order[j] = swap
  }
  return order
}
