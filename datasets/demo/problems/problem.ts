import type { Prng } from '../../../src/util/prng.js'

/**
 * A worked problem. Every equation in `question` and `steps` is written so that a machine can read it back: numbers without
 * thousands separators, `+ - * / ^ mod ( )`, words between equations, and each step ends with a full stop.
 */
export interface Problem {
  question: string
  /** Sentences of the solution, in order. */
  steps: string[]
  /** The result alone, for example `x = 5` or `$12.40`. */
  answer: string
  /** The result, checked in another way than the one the steps take (substitution, a second formula, brute force). */
  holds: boolean
}

/** Composes one problem; a pure function of the random stream. */
export type Template = (random: Prng) => Problem

/** A uniform integer in [low, high], both ends included. */
export function int(random: Prng, low: number, high: number): number {
  return low + random.below(high - low + 1)
}

/** A uniform integer in [low, high] that is not 0. */
export function nonzero(random: Prng, low: number, high: number): number {
  for (;;) {
    const value = int(random, low, high)
    if (value !== 0) return value
  }
}

/** One element of a list that is not empty. */
export function pick<T>(random: Prng, list: readonly T[]): T {
  return list[random.below(list.length)]!
}

/** Two different elements of a list of two or more. */
export function pickTwo<T>(random: Prng, list: readonly T[]): [T, T] {
  const first = random.below(list.length)
  const second = (first + 1 + random.below(list.length - 1)) % list.length
  return [list[first]!, list[second]!]
}

/** The greatest common divisor of two integers, never negative. */
export function gcd(a: number, b: number): number {
  return b === 0 ? Math.abs(a) : gcd(b, a % b)
}

/** n/d in lowest terms with a positive denominator; whole numbers without one. */
export function fraction(n: number, d: number): string {
  const divisor = gcd(n, d) * Math.sign(d)
  return d / divisor === 1 ? `${n / divisor}` : `${n / divisor}/${d / divisor}`
}

/** ` + 5` or ` - 5`: a number as the next term of a sum. */
export function plus(value: number): string {
  return value < 0 ? ` - ${-value}` : ` + ${value}`
}

/** A number as a factor or a subtrahend: negative ones in brackets. */
export function bracket(value: number): string {
  return value < 0 ? `(${value})` : `${value}`
}

/** A polynomial from its coefficients, highest power first: [1, -5, 6] is `x^2 - 5x + 6`. */
export function polynomial(coefficients: readonly number[], variable = 'x'): string {
  let text = ''
  coefficients.forEach((coefficient, i) => {
    if (coefficient === 0) return
    const power = coefficients.length - 1 - i
    const size = Math.abs(coefficient)
    const symbol = power === 0 ? '' : power === 1 ? variable : `${variable}^${power}`
    const body = symbol === '' || size !== 1 ? `${size}${symbol}` : symbol
    const sign = coefficient < 0 ? '-' : '+'
    text += text === '' ? (coefficient < 0 ? `-${body}` : body) : ` ${sign} ${body}`
  })
  return text === '' ? '0' : text
}

/** An exact decimal: 1250 with 2 places is `12.5`. */
export function decimal(scaled: number, places: number): string {
  const digits = `${Math.abs(scaled)}`.padStart(places + 1, '0')
  const tail = digits.slice(digits.length - places).replace(/0+$/, '')
  const whole = digits.slice(0, digits.length - places)
  return `${scaled < 0 ? '-' : ''}${whole}${tail === '' ? '' : `.${tail}`}`
}

/** Whole cents as dollars: 450 is `$4.50`, 400 is `$4`. */
export function money(cents: number): string {
  const rest = cents % 100
  return rest === 0 ? `$${cents / 100}` : `$${Math.floor(cents / 100)}.${`${rest}`.padStart(2, '0')}`
}

/** `1 apple`, `3 apples`. */
export function count(amount: number, singular: string, plural = `${singular}s`): string {
  return `${amount} ${amount === 1 ? singular : plural}`
}

/** `a, b and c`. */
export function listOf(parts: readonly (string | number)[]): string {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}

/** The sum of a list. */
export function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}

/** `first`, `second`, ... up to `sixth`, then `7th`, `21st`. */
export function ordinal(n: number): string {
  const word = ['zeroth', 'first', 'second', 'third', 'fourth', 'fifth', 'sixth'][n]
  if (word !== undefined) return word
  const teen = n % 100 >= 11 && n % 100 <= 13
  const ending = teen ? 'th' : (['th', 'st', 'nd', 'rd'][n % 10] ?? 'th')
  return `${n}${ending}`
}
