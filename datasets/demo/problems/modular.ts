import { gcd, int, pick, type Template } from './problem.js'

const weekdays = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday']

/** base^exponent mod modulus with exact integers. */
function powerMod(base: number, exponent: number, modulus: number): number {
  return Number(BigInt(base) ** BigInt(exponent) % BigInt(modulus))
}

/** Repeated squaring: the powers base^(2^i) mod m, then the product of those that the exponent needs. */
const powerRemainder: Template = random => {
  const modulus = int(random, 5, 29)
  const base = int(random, 2, modulus - 1)
  const exponent = int(random, 5, 40)
  const steps = ['Square again and again, and keep only the remainders.']
  const squares: number[] = [base % modulus]
  for (let power = 2; power <= exponent; power *= 2) {
    const last = squares.at(-1)!
    const next = (last * last) % modulus
    steps.push(`For the exponent ${power}: ${last}^2 mod ${modulus} = ${last * last} mod ${modulus} = ${next}.`)
    squares.push(next)
  }
  const needed = squares.flatMap((value, i) => ((exponent >> i) & 1 ? [{ value, power: 2 ** i }] : []))
  const sum = `The exponent is ${exponent} = ${needed.map(part => part.power).join(' + ')}.`
  steps.push(needed.length === 1 ? 'The exponent is a power of 2 itself, so this is the result.' : sum)
  let result = needed[0]!.value
  for (const part of needed.slice(1)) {
    const product = result * part.value
    steps.push(`${result} * ${part.value} = ${product} and ${product} mod ${modulus} = ${product % modulus}.`)
    result = product % modulus
  }
  const question = pick(random, [
    `Find the remainder of ${base}^${exponent} divided by ${modulus}.`,
    `Compute ${base}^${exponent} mod ${modulus}.`,
  ])
  return { question, steps, answer: `${result}`, holds: powerMod(base, exponent, modulus) === result }
}

const lastDigit: Template = random => {
  const base = int(random, 2, 99)
  const exponent = int(random, 12, 400)
  const cycle: number[] = []
  const start = base % 10
  let digit = start
  do {
    cycle.push(digit)
    digit = (digit * start) % 10
  } while (digit !== start)
  const position = exponent % cycle.length
  const answer = cycle[(exponent - 1) % cycle.length]!
  const steps = [
    `Only the last digit of the base matters, and ${base} mod 10 = ${start}.`,
    cycle.length === 1
      ? `Every power of ${start} ends in ${start} again.`
      : `The last digits of the powers of ${start} are ${cycle.join(', ')}, and then they repeat with period ${cycle.length}.`,
    `${exponent} mod ${cycle.length} = ${position}${position === 0 ? ', so we take the last digit of the period.' : `, so we take digit number ${position} of the period.`}`,
  ]
  return {
    question: `What is the last digit of ${base}^${exponent}?`,
    steps,
    answer: `${answer}`,
    holds: powerMod(base, exponent, 10) === answer,
  }
}

const dayOfWeek: Template = random => {
  const today = random.below(7)
  const days = int(random, 20, 900)
  const rest = days % 7
  const answer = weekdays[(today + days) % 7]!
  const steps = [
    'The days of the week repeat every 7 days, so only the remainder counts.',
    `${days} = 7 * ${Math.floor(days / 7)} + ${rest}.`,
    rest === 0
      ? `The remainder is 0, so it is the same day of the week.`
      : `Counting ${rest} on from ${weekdays[today]} gives ${answer}.`,
  ]
  let brute = today
  for (let i = 0; i < days; i++) brute = (brute + 1) % 7
  const question = pick(random, [
    `Today is ${weekdays[today]}. What day of the week will it be in ${days} days?`,
    `A ship leaves on a ${weekdays[today]} and returns ${days} days later. On what day of the week does it return?`,
  ])
  return { question, steps, answer, holds: weekdays[brute] === answer }
}

const clockArithmetic: Template = random => {
  const start = int(random, 0, 23)
  const hours = int(random, 25, 400)
  const end = (start + hours) % 24
  const steps = [
    `Add the hours: ${start} + ${hours} = ${start + hours}.`,
    `A day has 24 hours, so take the remainder: ${start + hours} mod 24 = ${end}.`,
    `Indeed ${start + hours} = 24 * ${Math.floor((start + hours) / 24)} + ${end}.`,
  ]
  const question = `A clock that counts the hours from 0 to 23 shows ${start}. What does it show ${hours} hours later?`
  return { question, steps, answer: `${end}`, holds: (end - start - hours) % 24 === 0 && end >= 0 && end < 24 }
}

/** a x = b modulo m through the inverse of a, found by trying. */
const linearCongruence: Template = random => {
  const modulus = pick(random, [7, 11, 13, 17, 19, 23])
  const a = int(random, 2, modulus - 1)
  const b = int(random, 1, modulus - 1)
  let inverse = 1
  while ((a * inverse) % modulus !== 1) inverse++
  const answer = (inverse * b) % modulus
  const steps = [
    `First look for a number that turns ${a} into 1: ${a} * ${inverse} = ${a * inverse} and ${a * inverse} mod ${modulus} = 1.`,
    `Multiply the right side by it: ${inverse} * ${b} = ${inverse * b} and ${inverse * b} mod ${modulus} = ${answer}.`,
    `Check: ${a} * ${answer} mod ${modulus} = ${a * answer} mod ${modulus} = ${b}.`,
  ]
  const question = `Which number from 0 to ${modulus - 1}, multiplied by ${a}, leaves the remainder ${b} when it is divided by ${modulus}?`
  return { question, steps, answer: `${answer}`, holds: (a * answer) % modulus === b }
}

/** The smallest number with two given remainders. */
const twoRemainders: Template = random => {
  const p = int(random, 4, 15)
  let q = p + int(random, 1, 8)
  while (gcd(p, q) !== 1) q++
  const [r, s] = [int(random, 1, p - 1), int(random, 1, q - 1)]
  const steps = [
    `Go through the numbers that leave the remainder ${s} when they are divided by ${q}, and look at their remainders for ${p}.`,
  ]
  let n = s
  while (n % p !== r) {
    steps.push(`${n} mod ${p} = ${n % p}, which is not ${r}.`)
    n += q
  }
  steps.push(`${n} mod ${p} = ${r}, as it should be, and ${n} mod ${q} = ${s}.`)
  let brute = 0
  while (brute % p !== r || brute % q !== s) brute++
  const question = `Find the smallest number that leaves the remainder ${r} when it is divided by ${p} and the remainder ${s} when it is divided by ${q}.`
  return { question, steps, answer: `${n}`, holds: brute === n }
}

/** Remainders, clocks and congruences. */
export const modular = { powerRemainder, lastDigit, dayOfWeek, clockArithmetic, linearCongruence, twoRemainders }
