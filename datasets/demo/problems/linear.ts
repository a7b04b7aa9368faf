import { bracket, fraction, int, nonzero, pick, plus, polynomial, type Template } from './problem.js'
import { people } from './words.js'

const solve = ['Solve for x:', 'Find x if', 'Solve the equation']

/** ax + b = c. */
const twoSteps: Template = random => {
  const [a, x, b] = [int(random, 2, 12), int(random, -15, 20), nonzero(random, -40, 40)]
  const c = a * x + b
  const equation = `${polynomial([a, b])} = ${c}`
  const steps = [
    `${b > 0 ? `Subtract ${b} from` : `Add ${-b} to`} both sides: ${a}x = ${c}${plus(-b)} = ${a * x}.`,
    `Divide both sides by ${a}: x = ${a * x} / ${a} = ${x}.`,
    `Check: ${a} * ${bracket(x)}${plus(b)} = ${c}.`,
  ]
  return { question: `${pick(random, solve)} ${equation}.`, steps, answer: `x = ${x}`, holds: a * x + b === c }
}

/** ax + b = cx + d. */
const bothSides: Template = random => {
  const c = int(random, 1, 8)
  const a = c + int(random, 2, 9)
  const x = int(random, -12, 15)
  const b = nonzero(random, -30, 30)
  const d = (a - c) * x + b
  const steps = [
    `Subtract ${polynomial([c, 0])} from both sides: ${polynomial([a - c, b])} = ${d}.`,
    `${b > 0 ? `Subtract ${b}` : `Add ${-b}`}: ${a - c}x = ${(a - c) * x}.`,
    `Divide by ${a - c}: x = ${x}.`,
    `Check: the left side is ${a} * ${bracket(x)}${plus(b)} = ${a * x + b} and the right side is ${c} * ${bracket(x)}${plus(d)} = ${c * x + d}.`,
  ]
  return {
    question: `${pick(random, solve)} ${polynomial([a, b])} = ${polynomial([c, d])}.`,
    steps,
    answer: `x = ${x}`,
    holds: a * x + b === c * x + d,
  }
}

/** a(x + b) = c. */
const withBrackets: Template = random => {
  const [a, x, b] = [int(random, 2, 11), int(random, -14, 18), nonzero(random, -15, 15)]
  const c = a * (x + b)
  const steps = [
    `Divide both sides by ${a}: ${polynomial([1, b])} = ${c / a}.`,
    `${b > 0 ? `Subtract ${b}` : `Add ${-b}`}: x = ${c / a}${plus(-b)} = ${x}.`,
    `Check: ${a} * (${x}${plus(b)}) = ${a} * ${bracket(x + b)} = ${c}.`,
  ]
  return {
    question: `${pick(random, solve)} ${a}(${polynomial([1, b])}) = ${c}.`,
    steps,
    answer: `x = ${x}`,
    holds: a * x + a * b === c,
  }
}

/** x/a + b = c. */
const withQuotient: Template = random => {
  const [a, k, b] = [int(random, 2, 12), nonzero(random, -12, 12), nonzero(random, -25, 25)]
  const x = a * k
  const steps = [
    `${b > 0 ? `Subtract ${b} from` : `Add ${-b} to`} both sides: x/${a} = ${k + b}${plus(-b)} = ${k}.`,
    `Multiply both sides by ${a}: x = ${a} * ${bracket(k)} = ${x}.`,
    `Check: ${x}/${a}${plus(b)} = ${k}${plus(b)} = ${k + b}.`,
  ]
  return {
    question: `${pick(random, solve)} x/${a}${plus(b)} = ${k + b}.`,
    steps,
    answer: `x = ${x}`,
    holds: x / a + b === k + b,
  }
}

/** ax + b = c with a fraction as the result. */
const fractionResult: Template = random => {
  const a = int(random, 3, 13)
  const b = nonzero(random, -20, 20)
  let rest = nonzero(random, -40, 40)
  if (rest % a === 0) rest += 1
  const steps = [
    `${b > 0 ? `Subtract ${b} from` : `Add ${-b} to`} both sides: ${a}x = ${rest}.`,
    `Divide by ${a}: x = ${rest}/${a}${fraction(rest, a) === `${rest}/${a}` ? '' : ` = ${fraction(rest, a)}`}.`,
    `Check: ${a} * (${fraction(rest, a)})${plus(b)} = ${rest}${plus(b)} = ${rest + b}.`,
  ]
  return {
    question: `${pick(random, solve)} ${polynomial([a, b])} = ${rest + b}.`,
    steps,
    answer: `x = ${fraction(rest, a)}`,
    holds: rest % a !== 0,
  }
}

/** Two equations solved by adding or subtracting multiples. */
const elimination: Template = random => {
  const [x, y] = [int(random, -9, 12), int(random, -9, 12)]
  const [a, c] = [int(random, 1, 6), int(random, 1, 6)]
  const [b, d] = [int(random, 1, 6), -int(random, 1, 6)]
  const [p, q] = [a * x + b * y, c * x + d * y]
  const side = (m: number, n: number) =>
    `${polynomial([m, 0])}${n < 0 ? ' - ' : ' + '}${polynomial([Math.abs(n), 0], 'y')}`
  const factor = a * -d + c * b
  const right = p * -d + q * b
  const steps = [
    `Multiply the first equation by ${-d} and the second by ${b}, so that the terms in y cancel when they are added.`,
    `The sum of the left sides is ${factor}x and the sum of the right sides is ${bracket(p)} * ${-d} + ${bracket(q)} * ${b} = ${right}.`,
    `So ${factor}x = ${right} and x = ${right} / ${factor} = ${x}.`,
    `Put this into the first equation: ${a} * ${bracket(x)} + ${polynomial([b, 0], 'y')} = ${p}, so ${polynomial([b, 0], 'y')} = ${p} - ${bracket(a * x)} = ${b * y} and y = ${y}.`,
    `Check in the second equation: ${c} * ${bracket(x)} - ${-d} * ${bracket(y)} = ${q}.`,
  ]
  const question = `Solve the system ${side(a, b)} = ${p} and ${side(c, d)} = ${q}.`
  return {
    question,
    steps,
    answer: `x = ${x} and y = ${y}`,
    holds: right === factor * x && a * x + b * y === p && c * x + d * y === q,
  }
}

/** y = mx + k put into a second equation. */
const substitution: Template = random => {
  const [x, m, k] = [int(random, -9, 12), int(random, 2, 6), nonzero(random, -12, 12)]
  const y = m * x + k
  const [a, b] = [int(random, 1, 7), int(random, 1, 5)]
  const c = a * x + b * y
  const steps = [
    `Put the first equation into the second: ${polynomial([a, 0])} + ${b === 1 ? '' : b}(${polynomial([m, k])}) = ${c}.`,
    `Expand and collect: ${polynomial([a + b * m, b * k])} = ${c}.`,
    `So ${a + b * m}x = ${c}${plus(-b * k)} = ${c - b * k} and x = ${x}.`,
    `Then y = ${m} * ${bracket(x)}${plus(k)} = ${y}.`,
  ]
  const question = `Solve the system y = ${polynomial([m, k])} and ${polynomial([a, 0])} + ${polynomial([b, 0], 'y')} = ${c}.`
  return {
    question,
    steps,
    answer: `x = ${x} and y = ${y}`,
    holds: (a + b * m) * x === c - b * k && a * x + b * y === c,
  }
}

/** A linear inequality with a positive or a negative factor. */
const inequality: Template = random => {
  const size = int(random, 2, 9) * pick(random, [-1, 1])
  const [bound, b] = [int(random, -12, 15), nonzero(random, -25, 25)]
  const c = size * bound + b
  const steps = [
    `${b > 0 ? `Subtract ${b} from` : `Add ${-b} to`} both sides: ${size}x < ${c - b}.`,
    size < 0
      ? `Divide by ${size}. The factor is negative, so the sign turns around: x > ${bound}.`
      : `Divide by ${size}, which is positive, so the sign stays: x < ${bound}.`,
    `Check with a value: for x = ${size < 0 ? bound + 1 : bound - 1} the left side is ${size} * ${bracket(size < 0 ? bound + 1 : bound - 1)}${plus(b)} = ${c - Math.abs(size)}, and ${c - Math.abs(size)} < ${c}.`,
  ]
  const inside = size < 0 ? bound + 1 : bound - 1
  return {
    question: `For which x is ${polynomial([size, b])} < ${c}?`,
    steps,
    answer: size < 0 ? `x > ${bound}` : `x < ${bound}`,
    holds: size * inside + b < c && size * bound + b === c,
  }
}

/** Two ages related now and at another time. */
const ages: Template = random => {
  const [older, younger] = [pick(random, people.slice(0, 20)), pick(random, people.slice(20))]
  const factor = int(random, 2, 5)
  const years = int(random, 2, 12)
  const then = int(random, 3, 14)
  const now = then + years
  const olderNow = factor * then + years
  const gap = olderNow - now
  const steps = [
    `Let x be the age of ${younger.name} now. Then ${older.name} is x + ${gap}.`,
    `${years} years ago they were x - ${years} and x + ${gap} - ${years}, so x + ${gap} - ${years} = ${factor}(x - ${years}).`,
    `That is x${plus(gap - years)} = ${factor}x - ${factor * years}, so ${polynomial([factor - 1, 0])} = ${gap - years} + ${factor * years} = ${gap - years + factor * years}.`,
    `Therefore x = ${now}, and ${older.name} is ${now} + ${gap} = ${olderNow}.`,
  ]
  const question = `${older.name} is ${gap} years older than ${younger.name}. ${years} years ago ${older.name} was ${factor} times as old as ${younger.name}. How old is ${younger.name} now?`
  return { question, steps, answer: `x = ${now}`, holds: olderNow - years === factor * (now - years) }
}

/** Three consecutive numbers with a given sum. */
const consecutive: Template = random => {
  const first = int(random, -20, 400)
  const step = pick(random, [1, 2, 3, 5])
  const sum = 3 * first + 3 * step
  const steps = [
    `Call the smallest number x. The others are x + ${step} and x + ${2 * step}.`,
    `Their sum is 3x + ${3 * step} = ${sum}.`,
    `So 3x = ${sum} - ${3 * step} = ${sum - 3 * step} and x = ${first}.`,
    `Check: ${bracket(first)} + ${bracket(first + step)} + ${bracket(first + 2 * step)} = ${sum}.`,
  ]
  const kind =
    step === 1
      ? 'Three consecutive whole numbers add up to'
      : `Three whole numbers, each ${step} more than the one before, add up to`
  return {
    question: `${kind} ${sum}. What is the smallest of them?`,
    steps,
    answer: `x = ${first}`,
    holds: first + (first + step) + (first + 2 * step) === sum,
  }
}

/** Linear equations, systems and inequalities. */
export const linear = {
  twoSteps,
  bothSides,
  withBrackets,
  withQuotient,
  fractionResult,
  elimination,
  substitution,
  inequality,
  ages,
  consecutive,
}
