import { count, fraction, int, listOf, pick, type Template } from './problem.js'

const colors = ['red', 'blue', 'green', 'white', 'black', 'yellow']

/** Drawing one ball, or two without putting the first back. */
const balls: Template = random => {
  const at = random.below(4)
  const [first, second] = [colors[at]!, colors[at + 1]!]
  const [a, b] = [int(random, 2, 15), int(random, 2, 15)]
  const n = a + b
  const steps = [
    `There are ${a} + ${b} = ${n} balls.`,
    `The first ball is ${first} with probability ${a}/${n}${fraction(a, n) === `${a}/${n}` ? '' : ` = ${fraction(a, n)}`}.`,
    `After that ${a - 1} of ${n - 1} balls are ${first}, so the second is ${first} with probability ${a - 1}/${n - 1}.`,
    `The product is ${a}/${n} * ${a - 1}/${n - 1} = ${a * (a - 1)}/${n * (n - 1)}${fraction(a * (a - 1), n * (n - 1)) === `${a * (a - 1)}/${n * (n - 1)}` ? '' : ` = ${fraction(a * (a - 1), n * (n - 1))}`}.`,
  ]
  let pairs = 0
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) if (i !== j && i < a && j < a) pairs++
  const question = `A bag holds ${a} ${first} and ${b} ${second} balls. Two balls are drawn without putting the first one back. What is the probability that both are ${first}?`
  return { question, steps, answer: fraction(a * (a - 1), n * (n - 1)), holds: pairs === a * (a - 1) }
}

/** Sums of two dice with any number of faces. */
const dice: Template = random => {
  const [p, q] = [int(random, 4, 12), int(random, 4, 12)]
  const sum = int(random, 4, p + q - 2)
  const pairs: string[] = []
  for (let i = 1; i <= p; i++) if (sum - i >= 1 && sum - i <= q) pairs.push(`${i} + ${sum - i} = ${sum}`)
  const steps = [
    `There are ${p} * ${q} = ${p * q} equally likely results.`,
    `The sum is right for ${listOf(pairs)}.`,
    `${pairs.length === 1 ? 'That is one result' : `Those are ${pairs.length} results`}, so the probability is ${pairs.length}/${p * q}${fraction(pairs.length, p * q) === `${pairs.length}/${p * q}` ? '' : ` = ${fraction(pairs.length, p * q)}`}.`,
  ]
  const question = `One die has faces numbered 1 to ${p} and another has faces numbered 1 to ${q}. Both are thrown. What is the probability that the sum is ${sum}?`
  return {
    question,
    steps,
    answer: fraction(pairs.length, p * q),
    holds: pairs.length === Math.min(p, sum - 1) - Math.max(1, sum - q) + 1,
  }
}

const choose = (n: number, k: number): number => (k === 0 ? 1 : (choose(n - 1, k - 1) * n) / k)

/** How many committees. */
const committees: Template = random => {
  const [women, men] = [int(random, 3, 14), int(random, 3, 14)]
  const [k, l] = [int(random, 1, Math.min(3, women)), int(random, 1, Math.min(3, men))]
  const product = (n: number, m: number) => Array.from({ length: m }, (_, i) => n - i).join(' * ')
  const factorial = [1, 1, 2, 6]
  const line = (n: number, m: number, who: string) =>
    m === 1
      ? `There are ${n} ways to choose one of the ${who}.`
      : `For the ${who} there are ${product(n, m)} / ${factorial[m]} = ${choose(n, m)} choices, since their order does not matter.`
  const ways = choose(women, k) * choose(men, l)
  const steps = [
    line(women, k, 'women'),
    line(men, l, 'men'),
    `Every choice of the one goes with every choice of the other: ${choose(women, k)} * ${choose(men, l)} = ${ways}.`,
  ]
  const question = `From ${women} women and ${men} men a committee of ${count(k, 'woman', 'women')} and ${count(l, 'man', 'men')} is to be chosen. In how many ways can it be done?`
  return { question, steps, answer: `${ways}`, holds: choose(women, women - k) * choose(men, men - l) === ways }
}

/** Independent choices multiply. */
const outfits: Template = random => {
  const [a, b, c] = [int(random, 2, 15), int(random, 2, 15), int(random, 2, 9)]
  const menu = pick(random, [
    ['shirts', 'skirts', 'hats'],
    ['soups', 'main courses', 'desserts'],
    ['roads to the river', 'bridges', 'roads to the castle'],
    ['frames', 'colors', 'sizes'],
  ] as const)
  const steps = [
    `For each of the ${a} ${menu[0]} there are ${b} ${menu[1]}, which makes ${a} * ${b} = ${a * b} pairs.`,
    `Each pair goes with any of the ${c} ${menu[2]}: ${a * b} * ${c} = ${a * b * c}.`,
  ]
  const question = `There are ${a} ${menu[0]}, ${b} ${menu[1]} and ${c} ${menu[2]}. In how many ways can one of each be chosen?`
  return { question, steps, answer: `${a * b * c}`, holds: (a * b * c) / a / c === b }
}

/** The middle and the range of a list. */
const median: Template = random => {
  const n = int(random, 2, 4) * 2 + 1
  const values: number[] = []
  while (values.length < n) {
    const value = int(random, 3, 95)
    if (!values.includes(value)) values.push(value)
  }
  const sorted = [...values].sort((x, y) => x - y)
  const middle = sorted[(n - 1) / 2]!
  const steps = [
    `In order the numbers are ${sorted.join(', ')}.`,
    `There are ${n} of them, so the middle one has place (${n} + 1) / 2 = ${(n + 1) / 2}, and it is ${middle}.`,
    `The range is the largest less the smallest: ${sorted.at(-1)} - ${sorted[0]} = ${sorted.at(-1)! - sorted[0]!}.`,
  ]
  const below = values.filter(value => value < middle).length
  return {
    question: `Find the median and the range of ${listOf(values)}.`,
    steps,
    answer: `${middle} and ${sorted.at(-1)! - sorted[0]!}`,
    holds: below === (n - 1) / 2,
  }
}

/** Counting and probability. */
export const chance = { balls, dice, committees, outfits, median }
