import { count, gcd, int, listOf, pick, type Template } from './problem.js'

/** Prime factors in ascending order, with multiplicity. */
export function primeFactors(n: number): number[] {
  const factors: number[] = []
  let rest = n
  for (let p = 2; p * p <= rest; p++) {
    while (rest % p === 0) {
      factors.push(p)
      rest /= p
    }
  }
  if (rest > 1) factors.push(rest)
  return factors
}

const isPrime = (n: number) => n > 1 && primeFactors(n).length === 1

/** `2^3 * 5` from ascending prime factors. */
function powers(factors: readonly number[]): string {
  return [...new Set(factors)]
    .map(p => {
      const exponent = factors.filter(factor => factor === p).length
      return exponent === 1 ? `${p}` : `${p}^${exponent}`
    })
    .join(' * ')
}

/** The steps of Euclid's algorithm, larger number first. */
function euclid(a: number, b: number): string[] {
  const steps: string[] = []
  let [high, low] = [a, b]
  while (low > 0) {
    const rest = high % low
    steps.push(`${high} = ${Math.floor(high / low)} * ${low} + ${rest}.`)
    ;[high, low] = [low, rest]
  }
  return steps
}

const greatestCommonDivisor: Template = random => {
  const shared = int(random, 2, 36)
  const b = shared * int(random, 3, 19)
  const a = b + shared * int(random, 2, 30)
  const answer = gcd(a, b)
  const steps = [
    'Divide again and again, each time the last divisor by the last remainder.',
    ...euclid(a, b),
    `The last remainder that is not 0, or else the last divisor, is ${answer}.`,
  ]
  const question = pick(random, [
    `Find the greatest common divisor of ${a} and ${b}.`,
    `What is the largest whole number that divides both ${a} and ${b}?`,
  ])
  let brute = Math.min(a, b)
  while (a % brute !== 0 || b % brute !== 0) brute--
  return { question, steps, answer: `${answer}`, holds: brute === answer }
}

const leastCommonMultiple: Template = random => {
  const a = int(random, 6, 60)
  const b = a + int(random, 1, 40)
  const divisor = gcd(a, b)
  const multiple = (a * b) / divisor
  const steps = [
    `Factor both numbers: ${a} = ${powers(primeFactors(a))} and ${b} = ${powers(primeFactors(b))}.`,
    `Their greatest common divisor is ${divisor}.`,
    `The least common multiple is the product divided by it: ${a} * ${b} / ${divisor} = ${a * b} / ${divisor} = ${multiple}.`,
    `Check: ${multiple} = ${multiple / a} * ${a} and ${multiple} = ${multiple / b} * ${b}.`,
  ]
  const question = pick(random, [
    `Find the least common multiple of ${a} and ${b}.`,
    `One bell rings every ${a} minutes and another every ${b} minutes. They have just rung together. After how many minutes do they ring together again?`,
  ])
  let brute = b
  while (brute % a !== 0) brute += b
  return { question, steps, answer: `${multiple}`, holds: brute === multiple }
}

const primeFactorization: Template = random => {
  const n = int(random, 2, 30) * int(random, 3, 40) * int(random, 2, 6)
  const factors = primeFactors(n)
  const steps: string[] = []
  let rest = n
  for (const p of factors.slice(0, -1)) {
    steps.push(`${rest} = ${p} * ${rest / p}.`)
    rest /= p
  }
  steps.push(`${rest} is prime, so we stop: ${n} = ${powers(factors)}.`)
  const question = pick(random, [`Write ${n} as a product of primes.`, `Find the prime factorization of ${n}.`])
  return {
    question,
    steps,
    answer: powers(factors),
    holds: factors.every(isPrime) && factors.reduce((a, b) => a * b, 1) === n,
  }
}

const primeOrNot: Template = random => {
  const n = int(random, 50, 998) * 2 + 1
  const limit = Math.floor(Math.sqrt(n))
  const steps = [
    `It is enough to try the primes up to ${limit}, because ${limit + 1}^2 = ${(limit + 1) ** 2} is larger than ${n}.`,
  ]
  let found = 0
  for (let p = 2; p <= limit && !found; p++) {
    if (!isPrime(p)) continue
    steps.push(`${n} = ${p} * ${Math.floor(n / p)} + ${n % p}${n % p === 0 ? `, so ${p} divides it.` : '.'}`)
    if (n % p === 0) found = p
  }
  if (!found) steps.push('None of them leaves the remainder 0.')
  const answer = found ? `${n} is not prime` : `${n} is prime`
  return { question: `Is ${n} a prime number?`, steps, answer, holds: isPrime(n) === !found }
}

const divisorCount: Template = random => {
  const n = int(random, 2, 24) * int(random, 4, 45)
  const factors = primeFactors(n)
  const exponents = [...new Set(factors)].map(p => factors.filter(factor => factor === p).length)
  const divisors = exponents.reduce((product, exponent) => product * (exponent + 1), 1)
  const steps = [
    `Factor the number: ${n} = ${powers(factors)}.`,
    `A divisor takes each prime between 0 times and as often as it occurs, so there is one more choice than the exponent: the choices are ${listOf(exponents.map(e => e + 1))}.`,
    exponents.length === 1
      ? `That makes ${divisors} divisors.`
      : `Multiply the choices: ${exponents.map(e => e + 1).join(' * ')} = ${divisors}.`,
  ]
  let brute = 0
  for (let d = 1; d <= n; d++) if (n % d === 0) brute++
  return {
    question: `How many positive divisors does ${n} have?`,
    steps,
    answer: `${divisors}`,
    holds: brute === divisors,
  }
}

const toBinary: Template = random => {
  const n = int(random, 17, 1023)
  const steps: string[] = ['Divide by 2 until nothing is left and keep the remainders.']
  let rest = n
  let digits = ''
  while (rest > 0) {
    const half = Math.floor(rest / 2)
    steps.push(`${rest} = 2 * ${half} + ${rest % 2}.`)
    digits = `${rest % 2}${digits}`
    rest = half
  }
  steps.push('The remainders from the last to the first are the binary digits.')
  const places = [...digits].flatMap((digit, i) => (digit === '1' ? [2 ** (digits.length - 1 - i)] : []))
  steps.push(`Check: ${places.join(' + ')} = ${n}.`)
  return {
    question: `Write the number ${n} in base 2.`,
    steps,
    answer: digits,
    holds: Number.parseInt(digits, 2) === n,
  }
}

const digitSum: Template = random => {
  const n = int(random, 1234, 98765)
  const digits = [...`${n}`].map(Number)
  const sum = digits.reduce((a, b) => a + b, 0)
  const divisor = pick(random, [3, 9])
  const rest = sum % divisor
  const steps = [
    `A number leaves the same remainder as the sum of its digits when it is divided by ${divisor}.`,
    `The sum of the digits is ${digits.join(' + ')} = ${sum}.`,
    `${sum} = ${divisor} * ${Math.floor(sum / divisor)} + ${rest}, so the remainder is ${rest}.`,
    rest === 0
      ? `So ${n} is divisible by ${divisor}: ${n} = ${divisor} * ${n / divisor}.`
      : `So ${n} is not divisible by ${divisor}: ${n} = ${divisor} * ${(n - rest) / divisor} + ${rest}.`,
  ]
  return {
    question: `Is ${n} divisible by ${divisor}? Use the sum of its digits.`,
    steps,
    answer: rest === 0 ? 'yes' : 'no',
    holds: n % divisor === rest,
  }
}

/** The largest number of equal groups that two stocks can be shared into. */
const equalGroups: Template = random => {
  const groups = int(random, 3, 18)
  const [p, q] = [int(random, 2, 11), int(random, 2, 11)]
  const [a, b] = [groups * p, groups * q]
  const answer = gcd(a, b)
  const [first, second] = pick(random, [
    ['roses', 'lilies'],
    ['apples', 'pears'],
    ['boys', 'girls'],
    ['red beads', 'blue beads'],
  ] as const)
  const steps = [
    `The number of groups must divide both ${a} and ${b}, and the largest such number is their greatest common divisor.`,
    ...(a >= b ? euclid(a, b) : euclid(b, a)),
    `So there are ${count(answer, 'group')}, each with ${a} / ${answer} = ${a / answer} ${first} and ${b} / ${answer} = ${b / answer} ${second}.`,
  ]
  const question = `What is the largest number of equal groups that ${a} ${first} and ${b} ${second} can be divided into, with nothing left over?`
  return {
    question,
    steps,
    answer: `${answer}`,
    holds: a % answer === 0 && b % answer === 0 && gcd(a / answer, b / answer) === 1,
  }
}

/** Divisors, primes and digits. */
export const integers = {
  greatestCommonDivisor,
  leastCommonMultiple,
  primeFactorization,
  primeOrNot,
  divisorCount,
  toBinary,
  digitSum,
  equalGroups,
}
