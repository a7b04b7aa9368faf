import { bracket, int, listOf, type Problem, pick, plus, type Template, total } from './problem.js'

const columns = ['Ones', 'Tens', 'Hundreds', 'Thousands', 'Ten thousands']

/** Addition column by column with carries. */
const columnAddition: Template = random => {
  const a = int(random, 128, 9899)
  const b = int(random, 128, 9899)
  const steps: string[] = []
  let carry = 0
  let result = 0
  for (let place = 1, i = 0; place <= Math.max(a, b); place *= 10, i++) {
    const x = Math.floor(a / place) % 10
    const y = Math.floor(b / place) % 10
    const sum = x + y + carry
    const tail = sum > 9 ? `, write ${sum % 10} and carry 1.` : '.'
    steps.push(`${columns[i]}: ${x} + ${y}${carry ? ' + 1' : ''} = ${sum}${tail}`)
    result += (sum % 10) * place
    carry = sum > 9 ? 1 : 0
    if (carry && place * 10 > Math.max(a, b)) result += place * 10
  }
  steps.push(`Reading the digits from the left gives ${a} + ${b} = ${a + b}.`)
  const question = pick(random, [`Add ${a} and ${b}.`, `What is ${a} + ${b}?`, `Find the sum of ${a} and ${b}.`])
  return { question, steps, answer: `${a + b}`, holds: result === a + b }
}

/** Subtraction by taking away the parts of the second number one after another. */
const subtractionByParts: Template = random => {
  const b = int(random, 111, 899)
  const a = b + int(random, 25, 4000)
  const parts = [b - (b % 100), (b % 100) - (b % 10), b % 10].filter(part => part > 0)
  const steps = [`Split ${b} as ${b} = ${parts.join(' + ')} and take the parts away in turn.`]
  let rest = a
  for (const part of parts) {
    steps.push(`${rest} - ${part} = ${rest - part}.`)
    rest -= part
  }
  steps.push(`Check by adding: ${rest} + ${b} = ${a}.`)
  const question = pick(random, [
    `Subtract ${b} from ${a}.`,
    `What is ${a} - ${b}?`,
    `How much is left when ${b} is taken from ${a}?`,
  ])
  return { question, steps, answer: `${rest}`, holds: rest + b === a }
}

/** Multiplication by splitting one factor into tens and ones. */
const multiplicationByParts: Template = random => {
  const a = int(random, 13, 480)
  const tens = int(random, 1, 9) * 10
  const ones = int(random, 1, 9)
  const b = tens + ones
  const steps = [
    `Write ${b} = ${tens} + ${ones}.`,
    `Then ${a} * ${b} = ${a} * ${tens} + ${a} * ${ones}.`,
    `${a} * ${tens} = ${a * tens} and ${a} * ${ones} = ${a * ones}.`,
    `${a * tens} + ${a * ones} = ${a * b}.`,
  ]
  const question = pick(random, [
    `Multiply ${a} by ${b}.`,
    `What is ${a} * ${b}?`,
    `Find the product of ${a} and ${b}.`,
  ])
  return { question, steps, answer: `${a * b}`, holds: (a * b) % a === 0 && (a * b) / a === b }
}

/** Division with remainder, digit by digit. */
const longDivision: Template = random => {
  const divisor = int(random, 3, 29)
  const dividend = int(random, divisor * 11, 9999)
  const steps: string[] = []
  let rest = 0
  let quotient = 0
  for (const digit of `${dividend}`) {
    const current = rest * 10 + Number(digit)
    const times = Math.floor(current / divisor)
    rest = current - times * divisor
    quotient = quotient * 10 + times
    if (quotient > 0)
      steps.push(
        `${divisor} goes into ${current} ${times === 1 ? 'once' : `${times} times`}: ${current} - ${times} * ${divisor} = ${rest}.`,
      )
  }
  steps.push(`So the quotient is ${quotient} and the remainder is ${rest}.`)
  steps.push(`Check: ${divisor} * ${quotient} + ${rest} = ${dividend}.`)
  const question = pick(random, [
    `Divide ${dividend} by ${divisor}.`,
    `Find the quotient and the remainder of ${dividend} divided by ${divisor}.`,
  ])
  return {
    question,
    steps,
    answer: `${quotient} remainder ${rest}`,
    holds: quotient === Math.floor(dividend / divisor) && rest === dividend % divisor,
  }
}

/** a + b * (c - d)^2 worked from the inside out. */
const orderOfOperations: Template = random => {
  const [a, b, c, d] = [int(random, 2, 60), int(random, 2, 9), int(random, 5, 16), int(random, 1, 4)]
  const inner = c - d
  const square = inner * inner
  const minus = random.below(2) === 0
  const sign = minus ? '-' : '+'
  const result = minus ? a - b * square : a + b * square
  const steps = [
    `Brackets first: ${c} - ${d} = ${inner}.`,
    `Then the power: ${inner}^2 = ${square}.`,
    `Then the product: ${b} * ${square} = ${b * square}.`,
    `Last the ${minus ? 'difference' : 'sum'}: ${a} ${sign} ${b * square} = ${result}.`,
  ]
  const question = `${pick(random, ['Evaluate', 'Work out', 'Compute'])} ${a} ${sign} ${b} * (${c} - ${d})^2.`
  return { question, steps, answer: `${result}`, holds: (result - a) / (minus ? -b : b) === (c - d) ** 2 }
}

/** (m - k)(m + k) = m^2 - k^2 as a trick of mental arithmetic. */
const nearSquares: Template = random => {
  const m = int(random, 2, 30) * 10
  const k = int(random, 1, 9)
  const [low, high] = [m - k, m + k]
  const steps = [
    `Both factors lie ${k} away from ${m}, since ${m} - ${k} = ${low} and ${m} + ${k} = ${high}.`,
    `The product of a sum and a difference is a difference of squares, so ${low} * ${high} = ${m}^2 - ${k}^2.`,
    `${m}^2 - ${k}^2 = ${m * m} - ${k * k} = ${m * m - k * k}.`,
  ]
  return {
    question: `Compute ${low} * ${high} without long multiplication.`,
    steps,
    answer: `${low * high}`,
    holds: low * high === m * m - k * k,
  }
}

/** Sums and differences with negative numbers. */
const signedNumbers: Template = random => {
  const values = [int(random, -40, 40), int(random, -40, -2), int(random, 2, 50), int(random, -60, -2)]
  const [a, b, c, d] = values as [number, number, number, number]
  const steps = [
    `Adding a negative number is subtracting: ${a} + ${bracket(b)} = ${a} - ${-b} = ${a + b}.`,
    `Next ${a + b}${plus(c)} = ${a + b + c}.`,
    `Subtracting a negative number is adding: ${a + b + c} - ${bracket(d)} = ${a + b + c} + ${-d} = ${a + b + c - d}.`,
  ]
  const result = a + b + c - d
  return {
    question: `Compute ${a} + ${bracket(b)} + ${c} - ${bracket(d)}.`,
    steps,
    answer: `${result}`,
    holds: result + d === a + b + c,
  }
}

/** The mean of some numbers, or the number that is missing to reach a given mean. */
const mean: Template = random => {
  const n = int(random, 3, 6)
  const average = int(random, 8, 60)
  const known = Array.from({ length: n - 1 }, () => average + int(random, -7, 7))
  const last = average * n - total(known)
  if (random.below(2) === 0) return missingForMean(known, average, last)
  const values = [...known, last]
  const steps = [
    `Add the numbers: ${values.map(bracket).join(' + ')} = ${total(values)}.`,
    `There are ${n} of them, and ${total(values)} / ${n} = ${average}.`,
  ]
  return {
    question: `Find the mean of ${listOf(values)}.`,
    steps,
    answer: `${average}`,
    holds: total(values) === average * n,
  }
}

function missingForMean(known: number[], average: number, last: number): Problem {
  const n = known.length + 1
  const steps = [
    `For a mean of ${average} the ${n} numbers must add up to ${n} * ${average} = ${n * average}.`,
    `The known ones add up to ${known.join(' + ')} = ${total(known)}.`,
    `So the missing number is ${n * average} - ${total(known)} = ${last}.`,
  ]
  const question = `The mean of ${n} numbers is ${average}. All but one of them are ${listOf(known)}. What is the missing number?`
  return { question, steps, answer: `${last}`, holds: (total(known) + last) / n === average }
}

/** Long and short arithmetic with whole numbers. */
export const arithmetic = {
  columnAddition,
  subtractionByParts,
  multiplicationByParts,
  longDivision,
  orderOfOperations,
  nearSquares,
  signedNumbers,
  mean,
}
