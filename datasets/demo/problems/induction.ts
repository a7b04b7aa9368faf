import { bracket, int, plus, polynomial, type Template, total } from './problem.js'

const upTo = (n: number, value: (k: number) => number) => Array.from({ length: n }, (_, i) => value(i + 1))

/** The sum of an arithmetic progression a, a + d, ...: 2 S = n (2a + (n - 1) d). */
const progressionSum: Template = random => {
  const [a, half, n] = [int(random, 1, 20), int(random, 1, 9), int(random, 4, 12)]
  const d = 2 * half
  const rest = a - half
  const formula = polynomial([half, rest, 0], 'n')
  const terms = upTo(n, k => a + (k - 1) * d)
  const sum = half * n * n + rest * n
  const steps = [
    `Base case: for n = 1 the sum is ${a}, and ${half} * 1^2${plus(rest)} * 1 = ${a}.`,
    `Induction step: suppose the claim holds for n = k, so that the first k numbers add up to ${polynomial([half, rest, 0], 'k')}.`,
    `The next number is ${polynomial([d, a], 'k')}, so the first k + 1 numbers add up to ${polynomial([half, rest, 0], 'k')} + ${polynomial([d, a], 'k')} = ${polynomial([half, rest + d, a], 'k')}.`,
    `The formula for k + 1 gives ${half === 1 ? '' : half}(k + 1)^2${plus(rest)} * (k + 1) = ${polynomial([half, 2 * half + rest, half + rest], 'k')}, which is the same.`,
    `By induction the claim is true for every n. For example, with n = ${n}: ${terms.join(' + ')} = ${sum} and ${half} * ${n}^2${plus(rest)} * ${n} = ${sum}.`,
  ]
  const question = `Prove by induction that the sum of the first n numbers of the sequence ${terms.slice(0, 3).join(', ')}, and so on, with difference ${d}, is ${formula}. Check it for n = ${n}.`
  return {
    question,
    steps,
    answer: `${sum}`,
    holds: total(terms) === sum && 2 * half + rest === rest + d && half + rest === a,
  }
}

/** base^n - 1 is divisible by base - 1. */
const powerDivisibility: Template = random => {
  const [base, factor, n] = [int(random, 3, 16), int(random, 1, 12), int(random, 2, 5)]
  const divisor = base - 1
  const power = base ** n
  const steps = [
    `Base case: for n = 1 the number is ${factor} * (${base} - 1) = ${factor * divisor}, and ${factor * divisor} / ${divisor} = ${factor}.`,
    `Induction step: suppose ${divisor} divides ${factor} * (${base}^k - 1) for some k.`,
    `Then ${factor} * (${base}^(k + 1) - 1) = ${base} * ${factor} * (${base}^k - 1) + ${factor} * ${divisor}.`,
    `The first part is divisible by ${divisor} by assumption and the second because ${divisor} is a factor of it, so the sum is divisible too.`,
    `By induction the claim holds for every n. For n = ${n}: ${factor} * (${base}^${n} - 1) = ${factor} * ${power - 1} = ${factor * (power - 1)} = ${divisor} * ${(factor * (power - 1)) / divisor}.`,
  ]
  const question = `Prove that ${divisor} divides ${factor} * (${base}^n - 1) for every whole number n from 1 on, and check it for n = ${n}.`
  return {
    question,
    steps,
    answer: `${(factor * (power - 1)) / divisor}`,
    holds: (factor * (power - 1)) % divisor === 0,
  }
}

/** The sum of the first n squares, cubes or products, scaled by a constant. */
const powerSums: Template = random => {
  const [scale, n] = [int(random, 1, 24), int(random, 3, 9)]
  const cubes = random.below(2) === 0
  const power = cubes ? 3 : 2
  const name = cubes ? 'cubes' : 'squares'
  const value = cubes ? (scale * n * n * (n + 1) ** 2) / 4 : (scale * n * (n + 1) * (2 * n + 1)) / 6
  const formula = cubes ? `${scale} * n^2 * (n + 1)^2 / 4` : `${scale} * n * (n + 1) * (2n + 1) / 6`
  const at = cubes ? `${scale} * ${n}^2 * ${n + 1}^2 / 4` : `${scale} * ${n} * ${n + 1} * ${2 * n + 1} / 6`
  const one = cubes ? `${scale} * 1^2 * 2^2 / 4` : `${scale} * 1 * 2 * 3 / 6`
  const common = cubes
    ? `Taking out ${scale} * (k + 1)^2 / 4 leaves k^2 + 4(k + 1) = k^2 + 4k + 4 = (k + 2)^2.`
    : `Taking out ${scale} * (k + 1) / 6 leaves k(2k + 1) + 6(k + 1) = 2k^2 + 7k + 6 = (k + 2)(2k + 3).`
  const steps = [
    `Base case: for n = 1 the sum is ${scale}, and ${one} = ${scale}.`,
    `Induction step: suppose the formula holds for n = k. The sum for k + 1 has one more term, ${scale} * (k + 1)^${power}.`,
    common,
    `That is the formula with k + 1 in the place of n, so the claim holds for every n.`,
    `For n = ${n}: ${upTo(n, k => scale * k ** power).join(' + ')} = ${value} and ${at} = ${value}.`,
  ]
  const question = `Prove by induction that ${scale === 1 ? '' : `${scale} times `}the sum of the first n ${name} is ${formula}. Check it for n = ${n}.`
  return { question, steps, answer: `${value}`, holds: total(upTo(n, k => scale * k ** power)) === value }
}

/** base^n > c n from some n on. */
const exponentialBound: Template = random => {
  const base = int(random, 2, 5)
  const factor = int(random, base * base, 400)
  let start = 2
  while (base ** start <= factor * start) start++
  const steps = [
    `Base case: ${base}^${start} = ${base ** start} > ${factor * start} = ${factor} * ${start}.`,
    `Induction step: suppose the claim holds for some k that is at least ${start}. Multiply both sides by ${base}: the left side becomes the next power, and the right side becomes ${base} * ${factor} * k.`,
    `This is at least ${factor} * (k + 1), because ${base - 1 === 1 ? 'k' : `${base - 1}k`} is at least 1 for such k.`,
    `So the claim holds for k + 1 as well, and by induction for every n from ${start} on.`,
    `It fails for n = ${start - 1}, since ${base}^${start - 1} = ${base ** (start - 1)} and ${factor} * ${start - 1} = ${factor * (start - 1)}.`,
  ]
  const question = `From which n on is ${base}^n larger than ${factor} * n, if n is at least 2? Prove the answer by induction.`
  const brute = upTo(30, n => (base ** n > factor * n ? 1 : 0))
  return {
    question,
    steps,
    answer: `n = ${start}`,
    holds: start > 2 && brute.slice(start - 1).every(Boolean) && brute[start - 2] === 0,
  }
}

/** A closed form of x -> a x + b, proved by induction. */
const closedForm: Template = random => {
  const [a, first, shift, n] = [int(random, 2, 5), int(random, 1, 12), int(random, 1, 9), int(random, 3, 6)]
  const b = (a - 1) * shift
  const lead = first + shift
  const value = (k: number) => lead * a ** (k - 1) - shift
  const steps = [
    `Base case: for n = 1 the formula gives ${lead} * ${a}^0 - ${shift} = ${first}.`,
    `Induction step: suppose the k-th term is ${lead} * ${a}^(k - 1) - ${shift}. The rule gives ${a} * (${lead} * ${a}^(k - 1) - ${shift}) + ${b} = ${lead} * ${a}^k - ${a * shift} + ${b} = ${lead} * ${a}^k - ${shift}.`,
    `This is the formula for k + 1, so it holds for every n.`,
    `For n = ${n} it gives ${lead} * ${a}^${n - 1} - ${shift} = ${lead * a ** (n - 1)} - ${shift} = ${value(n)}.`,
  ]
  let brute = first
  for (let k = 1; k < n; k++) brute = a * brute + b
  const question = `A sequence starts with ${first}, and each next term is ${a} times the one before plus ${bracket(b)}. Prove that the n-th term is ${lead} * ${a}^(n - 1) - ${shift}, and find the term for n = ${n}.`
  return { question, steps, answer: `${value(n)}`, holds: brute === value(n) }
}

/** Short proofs by induction with given numbers. */
export const induction = { progressionSum, powerDivisibility, powerSums, exponentialBound, closedForm }
