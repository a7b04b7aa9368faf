import { bracket, int, listOf, nonzero, ordinal, pick, plus, type Template, total } from './problem.js'

const arithmeticTerm: Template = random => {
  const [first, step, n] = [int(random, -20, 60), nonzero(random, -12, 15), int(random, 12, 90)]
  const value = first + (n - 1) * step
  const shown = [0, 1, 2, 3].map(i => first + i * step)
  const steps = [
    `The difference between neighbors is ${shown[1]} - ${bracket(shown[0]!)} = ${step}.`,
    `From the first term to the ${ordinal(n)} there are ${n} - 1 = ${n - 1} steps.`,
    `So the ${ordinal(n)} term is ${first} + ${n - 1} * ${bracket(step)} = ${first}${plus((n - 1) * step)} = ${value}.`,
  ]
  let brute = first
  for (let i = 1; i < n; i++) brute += step
  const question = `A sequence begins ${shown.join(', ')} and goes on with the same difference. What is its ${ordinal(n)} term?`
  return { question, steps, answer: `${value}`, holds: brute === value }
}

const arithmeticSum: Template = random => {
  const [first, step, n] = [int(random, 1, 40), int(random, 1, 12), int(random, 6, 60)]
  const last = first + (n - 1) * step
  const sum = (n * (first + last)) / 2
  const steps = [
    `The last term is ${first} + ${n - 1} * ${step} = ${last}.`,
    `Pair the first with the last, the second with the last but one, and so on: each pair adds up to ${first} + ${last} = ${first + last}.`,
    `With ${n} terms the sum is ${n} * ${first + last} / 2 = ${n * (first + last)} / 2 = ${sum}.`,
  ]
  const question = pick(random, [
    `Add the first ${n} terms of the sequence ${first}, ${first + step}, ${first + 2 * step}, and so on with the same difference.`,
    `The first row of a hall has ${first} seats and each row has ${step} more than the row before it. How many seats are there in ${n} rows?`,
  ])
  return {
    question,
    steps,
    answer: `${sum}`,
    holds: total(Array.from({ length: n }, (_, i) => first + i * step)) === sum,
  }
}

const geometricTerm: Template = random => {
  const [first, ratio, n] = [int(random, 1, 30), int(random, 2, 5), int(random, 5, 8)]
  const value = first * ratio ** (n - 1)
  const shown = [0, 1, 2].map(i => first * ratio ** i)
  const steps = [
    `Each term is ${shown[1]} / ${first} = ${ratio} times the one before.`,
    `From the first term to the ${ordinal(n)} we multiply ${n - 1} times: ${first} * ${ratio}^${n - 1} = ${first} * ${ratio ** (n - 1)} = ${value}.`,
  ]
  let brute = first
  for (let i = 1; i < n; i++) brute *= ratio
  const question = `In a geometric sequence the first terms are ${listOf(shown)}. Find the ${ordinal(n)} term.`
  return { question, steps, answer: `${value}`, holds: brute === value }
}

const geometricSum: Template = random => {
  const [first, ratio, n] = [int(random, 1, 40), int(random, 2, 5), int(random, 4, 8)]
  const terms = Array.from({ length: n }, (_, i) => first * ratio ** i)
  const sum = (first * (ratio ** n - 1)) / (ratio - 1)
  const steps = [
    `The sum multiplied by ${ratio} and less the sum itself leaves only the last product and the first term, so the sum is ${first} * (${ratio}^${n} - 1) / (${ratio} - 1).`,
    `${ratio}^${n} - 1 = ${ratio ** n - 1} and ${ratio} - 1 = ${ratio - 1}.`,
    `${first} * ${ratio ** n - 1} / ${ratio - 1} = ${sum}.`,
    `Check by adding: ${terms.join(' + ')} = ${sum}.`,
  ]
  const question = `Find the sum of the first ${n} terms of the geometric sequence ${terms.slice(0, 3).join(', ')}, and so on.`
  return { question, steps, answer: `${sum}`, holds: total(terms) === sum }
}

/** A sequence whose second differences are constant. */
const secondDifferences: Template = random => {
  const [a, b, c] = [int(random, 1, 6), int(random, -5, 9), int(random, -10, 20)]
  const value = (i: number) => a * i * i + b * i + c
  const terms = [0, 1, 2, 3, 4].map(value)
  const first = [1, 2, 3, 4].map(i => terms[i]! - terms[i - 1]!)
  const next = first[3]! + 2 * a
  const steps = [
    `The differences are ${first.map((d, i) => `${terms[i + 1]} - ${bracket(terms[i]!)} = ${d}`).join(', ')}.`,
    `They grow by ${first[1]} - ${bracket(first[0]!)} = ${2 * a} each time, so the next difference is ${first[3]} + ${2 * a} = ${next}.`,
    `The next term is ${terms[4]}${plus(next)} = ${terms[4]! + next}.`,
  ]
  return {
    question: `What number comes next: ${terms.join(', ')}?`,
    steps,
    answer: `${value(5)}`,
    holds: terms[4]! + next === value(5),
  }
}

/** Each term is the sum of the two before it. */
const fibonacciLike: Template = random => {
  const [a, b, n] = [int(random, 1, 20), int(random, 1, 25), int(random, 6, 9)]
  const terms = [a, b]
  const steps = ['Add the last two terms each time.']
  while (terms.length < n) {
    const [x, y] = [terms.at(-2)!, terms.at(-1)!]
    steps.push(`${x} + ${y} = ${x + y}.`)
    terms.push(x + y)
  }
  const fibonacci = [0, 1]
  while (fibonacci.length < n) fibonacci.push(fibonacci.at(-1)! + fibonacci.at(-2)!)
  const question = `A sequence begins with ${a} and ${b}, and every later term is the sum of the two before it. Find the ${ordinal(n)} term.`
  return {
    question,
    steps,
    answer: `${terms.at(-1)}`,
    holds: terms.at(-1) === a * fibonacci[n - 2]! + b * fibonacci[n - 1]!,
  }
}

/** A rule "multiply, then add" applied several times. */
const recurrence: Template = random => {
  const [start, factor, add, times] = [
    int(random, 1, 15),
    int(random, 2, 4),
    nonzero(random, -9, 12),
    int(random, 3, 5),
  ]
  let value = start
  const steps: string[] = []
  for (let i = 1; i <= times; i++) {
    const next = factor * value + add
    steps.push(`Term ${i + 1}: ${factor} * ${bracket(value)}${plus(add)} = ${next}.`)
    value = next
  }
  const closed = factor ** times * start + (add * (factor ** times - 1)) / (factor - 1)
  const question = `A sequence starts with ${start}. To get the next term, multiply by ${factor} and then ${add > 0 ? `add ${add}` : `subtract ${-add}`}. Find the ${ordinal(times + 1)} term.`
  return { question, steps, answer: `${value}`, holds: closed === value }
}

/** Sequences and their sums. */
export const sequences = {
  arithmeticTerm,
  arithmeticSum,
  geometricTerm,
  geometricSum,
  secondDifferences,
  fibonacciLike,
  recurrence,
}
