/**
 * Functions that shaders compute too coarsely, or not at all, from ones that they compute well. WGSL allows sin and cos an
 * error of 2^-11 within one turn and any error beyond it.
 */
import type { Formula } from './formula.js'

/** pi/2 in three parts of few bits: their products with a count of quarter turns up to 2^13 are exact. */
const QUARTER_TURN = [1.5703125, 4.837512969970703e-4, 7.549789954891882e-8] as const

/** Minimax polynomials on [-pi/4, pi/4] in the square of the angle: (sin r - r) / r^3 and (cos r - 1 + r^2/2) / r^4. */
const SINE = [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1] as const
const COSINE = [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2] as const

/** sin(x + quarterTurns pi/2), within 3e-7 for |x| up to 12,000. */
export function sine(f: Formula, x: string, quarterTurns: 0 | 1): string {
  const turns = f.floor(f.add(f.mul(x, 2 / Math.PI), 0.5))
  const r = QUARTER_TURN.reduce<string>((rest, part) => f.sub(rest, f.mul(turns, part)), x)
  const square = f.mul(r, r)
  const sin = f.add(r, f.mul(f.mul(square, r), f.polynomial(square, SINE)))
  const cos = f.add(f.sub(1, f.mul(square, 0.5)), f.mul(f.mul(square, square), f.polynomial(square, COSINE)))
  const quadrant = quarterTurns === 0 ? turns : f.add(turns, quarterTurns)
  const half = f.floor(f.mul(quadrant, 0.5))
  const isOdd = f.greater(f.sub(quadrant, f.mul(half, 2)), 0.5)
  const isNegative = f.greater(f.sub(half, f.mul(f.floor(f.mul(half, 0.5)), 2)), 0.5)
  return f.mul(f.where(isOdd, cos, sin), f.where(isNegative, -1, 1))
}

/** A 16-bit float: bits of the fraction, the least exponent of a normal number, and the greatest. */
interface HalfFormat {
  readonly fractionBits: number
  readonly minExponent: number
  readonly maxExponent: number
}

export const halfFormats: Readonly<Record<'f16' | 'bf16', HalfFormat>> = {
  f16: { fractionBits: 10, minExponent: -14, maxExponent: 15 },
  bf16: { fractionBits: 7, minExponent: -126, maxExponent: 127 },
}

const MIN_EXPONENT = -126
const MAX_EXPONENT = 127

/** A power of two for each exponent; shaders neither make these exactly nor keep subnormal ones. */
function powers(of: (exponent: number) => number): Float32Array {
  return Float32Array.from({ length: MAX_EXPONENT - MIN_EXPONENT + 1 }, (_, i) => 2 ** of(i + MIN_EXPONENT))
}

const half = (e: number) => Math.floor(e / 2)
const POWERS = powers(e => e)
/** 2^-e in two factors, neither of which is subnormal. */
const INVERSE = [powers(e => -half(e)), powers(e => half(e) - e)] as const

/** 1.5 x 2^23: adding and taking it away rounds to a whole number, ties to even. */
const TO_INTEGER = 12_582_912

const MAX_F32 = (2 - 2 ** -23) * 2 ** 127

/** x rounded to the nearest number of a 16-bit format, ties to even; the result is that number in f32. */
export function roundedTo(format: HalfFormat, f: Formula, x: string): string {
  const { fractionBits, minExponent, maxExponent } = format
  const size = f.abs(x)
  const within = (e: string) => f.min(f.max(e, minExponent), MAX_EXPONENT)
  const powerAt = (table: Float32Array, e: string) => f.lookUp(table, f.sub(e, MIN_EXPONENT))
  // a logarithm may be off by one at a power of two
  const guess = within(f.floor(f.mul(f.log(f.min(size, MAX_F32)), Math.LOG2E)))
  const power = powerAt(POWERS, guess)
  const tooHigh = f.where(f.less(size, power), -1, 0)
  const tooLow = f.where(f.less(f.mul(size, 0.5), power), 0, 1)
  const exponent = within(f.add(f.add(guess, tooHigh), tooLow))
  const scaled = f.mul(f.mul(x, powerAt(INVERSE[0], exponent)), powerAt(INVERSE[1], exponent))
  const whole = f.sub(f.add(f.mul(scaled, 2 ** fractionBits), TO_INTEGER), TO_INTEGER)
  const rounded = f.mul(f.mul(whole, 2 ** -fractionBits), powerAt(POWERS, exponent))
  if (maxExponent === MAX_EXPONENT) return rounded
  const isTooBig = f.greater(f.abs(rounded), (2 - 2 ** -fractionBits) * 2 ** maxExponent)
  return f.where(isTooBig, f.mul(rounded, Number.POSITIVE_INFINITY), rounded)
}
