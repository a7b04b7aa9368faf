import { fraction, gcd, int, pick, type Template } from './problem.js'
import { people } from './words.js'

/** A proper fraction in lowest terms as [numerator, denominator]. */
function properFraction(random: Parameters<Template>[0], limit: number): [number, number] {
  const d = int(random, 3, limit)
  let n = int(random, 1, d - 1)
  while (gcd(n, d) !== 1) n = (n % (d - 1)) + 1
  return [n, d]
}

/** A sentence that reduces n/d, or nothing when it is in lowest terms. */
function reduce(n: number, d: number): string[] {
  const divisor = gcd(n, d)
  if (divisor === 1) return [`${n} and ${d} have no common divisor, so the fraction is in lowest terms.`]
  return [`Divide both by ${divisor}: ${n}/${d} = ${fraction(n, d)}.`]
}

const addFractions: Template = random => {
  const [a, b] = properFraction(random, 12)
  const [c, d] = properFraction(random, 15)
  const minus = a * d > c * b && random.below(2) === 0
  const common = (b * d) / gcd(b, d)
  const [p, q] = [(a * common) / b, (c * common) / d]
  const sum = minus ? p - q : p + q
  const sign = minus ? '-' : '+'
  const steps = [
    `The least common denominator of ${b} and ${d} is ${common}.`,
    `${a}/${b} = ${p}/${common} and ${c}/${d} = ${q}/${common}.`,
    `${p}/${common} ${sign} ${q}/${common} = ${sum}/${common}.`,
    ...reduce(sum, common),
  ]
  const question = pick(random, [
    `Compute ${a}/${b} ${sign} ${c}/${d}.`,
    `Work out ${a}/${b} ${sign} ${c}/${d} and give the result in lowest terms.`,
  ])
  return {
    question,
    steps,
    answer: fraction(sum, common),
    holds: sum * b * d === (minus ? a * d - c * b : a * d + c * b) * common,
  }
}

const multiplyFractions: Template = random => {
  const [a, b] = properFraction(random, 16)
  const [c, d] = properFraction(random, 16)
  const steps = [
    `Multiply the numerators and the denominators: ${a}/${b} * ${c}/${d} = ${a * c}/${b * d}.`,
    ...reduce(a * c, b * d),
  ]
  return {
    question: `Compute ${a}/${b} * ${c}/${d}.`,
    steps,
    answer: fraction(a * c, b * d),
    holds: gcd(a, b) === 1 && gcd(c, d) === 1,
  }
}

const divideFractions: Template = random => {
  const [a, b] = properFraction(random, 14)
  const [c, d] = properFraction(random, 14)
  const steps = [
    `Dividing by ${c}/${d} is the same as multiplying by ${d}/${c}.`,
    `So (${a}/${b}) / (${c}/${d}) = ${a}/${b} * ${d}/${c} = ${a * d}/${b * c}.`,
    ...reduce(a * d, b * c),
    `Check: ${fraction(a * d, b * c)} * ${c}/${d} = ${a}/${b}.`,
  ]
  return { question: `Divide ${a}/${b} by ${c}/${d}.`, steps, answer: fraction(a * d, b * c), holds: gcd(c, d) === 1 }
}

const compareFractions: Template = random => {
  const [a, b] = properFraction(random, 25)
  let [c, d] = properFraction(random, 25)
  while (a * d === b * c) [c, d] = properFraction(random, 25)
  const [left, right] = [a * d, c * b]
  const sign = left > right ? '>' : '<'
  const larger = left > right ? `${a}/${b}` : `${c}/${d}`
  const steps = [
    `Bring both to the denominator ${b} * ${d} = ${b * d}.`,
    `${a}/${b} = ${left}/${b * d} and ${c}/${d} = ${right}/${b * d}.`,
    `Since ${left} ${sign} ${right}, we have ${a}/${b} ${sign} ${c}/${d}.`,
  ]
  return {
    question: `Which is larger, ${a}/${b} or ${c}/${d}?`,
    steps,
    answer: larger,
    holds: a / b > c / d === left > right,
  }
}

const simplify: Template = random => {
  const [a, b] = properFraction(random, 24)
  const scale = int(random, 2, 24)
  const [n, d] = [a * scale, b * scale]
  const steps = [
    `The greatest common divisor of ${n} and ${d} is ${scale}.`,
    `${n} / ${scale} = ${a} and ${d} / ${scale} = ${b}.`,
    `So ${n}/${d} = ${a}/${b}.`,
  ]
  return {
    question: `Reduce ${n}/${d} to lowest terms.`,
    steps,
    answer: `${a}/${b}`,
    holds: n * b === a * d && gcd(a, b) === 1,
  }
}

const mixedNumber: Template = random => {
  const [a, b] = properFraction(random, 20)
  const whole = int(random, 1, 20)
  const n = whole * b + a
  const steps = [
    `Divide with remainder: ${n} = ${b} * ${whole} + ${a}.`,
    `So ${n}/${b} = ${whole} + ${a}/${b}.`,
    `The whole part is ${whole} and the fraction that is left is ${a}/${b}.`,
  ]
  return {
    question: `Write ${n}/${b} as a whole number and a proper fraction.`,
    steps,
    answer: `${whole} + ${a}/${b}`,
    holds: Math.floor(n / b) === whole && n % b === a,
  }
}

/** Spends one fraction of a sum, then another fraction of the rest. */
const fractionOfTheRest: Template = random => {
  const person = pick(random, people)
  const [a, b] = properFraction(random, 8)
  const [c, d] = properFraction(random, 8)
  const start = b * d * int(random, 2, 30)
  const first = (start * a) / b
  const rest = start - first
  const second = (rest * c) / d
  const left = rest - second
  const [has, first_, second_] = pick(random, [
    ['dollars in a jar', 'spends', 'gives away'],
    ['marbles', 'loses', 'gives to a friend'],
    ['stamps', 'sells', 'trades'],
    ['meters of ribbon', 'uses', 'cuts off'],
  ] as const)
  const steps = [
    `First part: ${start} * ${a}/${b} = ${first}, which leaves ${start} - ${first} = ${rest}.`,
    `Second part: ${rest} * ${c}/${d} = ${second}.`,
    `What is left at the end is ${rest} - ${second} = ${left}.`,
  ]
  const question = `${person.name} has ${start} ${has}. First ${person.they} ${first_} ${a}/${b} of them, and then ${person.they} ${second_} ${c}/${d} of what remains. How many are left?`
  return {
    question,
    steps,
    answer: `${left}`,
    holds: Number.isInteger(left) && left * b * d === start * (b - a) * (d - c),
  }
}

/** The whole from a known part. */
const wholeFromPart: Template = random => {
  const person = pick(random, people)
  const [a, b] = properFraction(random, 12)
  const unit = int(random, 3, 40)
  const thing = pick(random, ['pages of a book', 'kilometers of a road', 'rows of a field', 'meters of a fence'])
  const [verb, noun] = {
    p: ['has read', 'the book'],
    k: ['has cycled', 'the road'],
    r: ['has plowed', 'the field'],
    m: ['has painted', 'the fence'],
  }[thing[0]!]! as [string, string]
  const steps = [
    a === 1
      ? `One part of ${b} is ${unit}.`
      : `If ${a} parts of ${b} are ${a * unit}, then one part is ${a * unit} / ${a} = ${unit}.`,
    `All ${b} parts are ${b} * ${unit} = ${b * unit}.`,
    `Check: ${b * unit} * ${a}/${b} = ${a * unit}.`,
  ]
  const question = `${person.name} ${verb} ${a * unit} ${thing}, and that is ${a}/${b} of ${noun}. How many ${thing.split(' ')[0]} are there altogether?`
  return { question, steps, answer: `${b * unit}`, holds: (b * unit * a) / b === a * unit }
}

/** Fractions and the stories that need them. */
export const fractions = {
  addFractions,
  multiplyFractions,
  divideFractions,
  compareFractions,
  simplify,
  mixedNumber,
  fractionOfTheRest,
  wholeFromPart,
}
