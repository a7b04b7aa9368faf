import { bracket, fraction, int, nonzero, pick, plus, polynomial, type Template } from './problem.js'

/** `(x + 3)` or `(x - 3)`, and `x` for 0. */
const factor = (shift: number) => (shift === 0 ? 'x' : `(${polynomial([1, shift])})`)

/** x^2 + bx + c by looking for two numbers with a given sum and product. */
const factoring: Template = random => {
  const [p, q] = [nonzero(random, -12, 12), nonzero(random, -12, 12)]
  const [b, c] = [p + q, p * q]
  const equation = `${polynomial([1, b, c])} = 0`
  const roots = p === q ? `x = ${-p}` : `x = ${Math.min(-p, -q)} or x = ${Math.max(-p, -q)}`
  const steps = [
    `We need two numbers whose product is ${c} and whose sum is ${b}.`,
    `${p} and ${q} do it: ${bracket(p)} * ${bracket(q)} = ${c} and ${bracket(p)} + ${bracket(q)} = ${b}.`,
    `So ${polynomial([1, b, c])} = ${factor(p)}${factor(q)}.`,
    'A product is 0 only if one of its factors is 0.',
    `Therefore ${roots}.`,
  ]
  const question = pick(random, [`Solve ${equation} by factoring.`, `Find all x with ${equation}.`])
  return { question, steps, answer: roots, holds: [-p, -q].every(x => x * x + b * x + c === 0) }
}

/** Leading coefficient not 1. */
const factoringWithCoefficient: Template = random => {
  const [a, p, q] = [int(random, 2, 5), nonzero(random, -9, 9), nonzero(random, -9, 9)]
  const [b, c] = [p + a * q, p * q]
  const steps = [
    `Multiply the outer coefficients: ${a} * ${bracket(c)} = ${a * c}. We look for two numbers with this product and the sum ${b}.`,
    `${p} and ${a * q} do it: ${bracket(p)} * ${bracket(a * q)} = ${a * c} and ${bracket(p)} + ${bracket(a * q)} = ${b}.`,
    `Split the middle term and take out common factors: ${polynomial([a, b, c])} = (${polynomial([a, p])})${factor(q)}.`,
    `So x = ${fraction(-p, a)} or x = ${-q}.`,
  ]
  const holds = a * q * q - b * q + c === 0 && a * p * p - b * p * a + c * a * a === 0
  return {
    question: `Solve ${polynomial([a, b, c])} = 0.`,
    steps,
    answer: `x = ${fraction(-p, a)} or x = ${-q}`,
    holds,
  }
}

const completingTheSquare: Template = random => {
  const [h, r] = [nonzero(random, -14, 14), int(random, 1, 15)]
  const [b, c] = [2 * h, h * h - r * r]
  const [low, high] = [-h - r, -h + r]
  const steps = [
    `Half of ${b} is ${h}, and ${bracket(h)}^2 = ${h * h}.`,
    `Therefore ${polynomial([1, b, 0])} = ${factor(h)}^2 - ${h * h}.`,
    `The equation becomes ${factor(h)}^2 = ${h * h}${plus(-c)} = ${r * r}.`,
    `A number whose square is ${r * r} is ${r} or ${-r}.`,
    `Hence x = ${low} or x = ${high}.`,
  ]
  return {
    question: `Solve ${polynomial([1, b, c])} = 0 by completing the square.`,
    steps,
    answer: `x = ${low} or x = ${high}`,
    holds: [low, high].every(x => x * x + b * x + c === 0),
  }
}

/** How many real solutions: the sign of the discriminant. */
const discriminant: Template = random => {
  const [a, b, c] = [int(random, 1, 6), int(random, -14, 14), nonzero(random, -12, 12)]
  const value = b * b - 4 * a * c
  const answer = value > 0 ? 'two' : value === 0 ? 'one' : 'none'
  const reason =
    value > 0
      ? 'It is positive, so there are two real solutions.'
      : value === 0
        ? 'It is zero, so there is exactly one real solution.'
        : 'It is negative, so there is no real solution.'
  const steps = [
    'The number of real solutions depends on the sign of the discriminant, which is the square of the middle coefficient minus four times the product of the outer ones.',
    `Here it is ${bracket(b)}^2 - 4 * ${a} * ${bracket(c)} = ${b * b}${plus(-4 * a * c)} = ${value}.`,
    reason,
  ]
  const root = (Math.sqrt(Math.max(value, 0)) - b) / (2 * a)
  return {
    question: `How many real solutions does ${polynomial([a, b, c])} = 0 have?`,
    steps,
    answer,
    holds: value < 0 ? 4 * a * c > b * b : Math.abs(a * root * root + b * root + c) < 1e-9,
  }
}

/** The product of two linear factors, written out. */
const expand: Template = random => {
  const [a, p, b, q] = [int(random, 1, 6), nonzero(random, -11, 11), int(random, 1, 6), nonzero(random, -11, 11)]
  const product = [a * b, a * q + b * p, p * q]
  const steps = [
    `Multiply each term of the first bracket by each term of the second.`,
    `The square term is ${a} * ${b} = ${a * b}.`,
    `The terms in x have the coefficients ${a} * ${bracket(q)} = ${a * q} and ${bracket(p)} * ${b} = ${p * b}, together ${a * q}${plus(p * b)} = ${a * q + b * p}.`,
    `The constant term is ${bracket(p)} * ${bracket(q)} = ${p * q}.`,
    `So (${polynomial([a, p])})(${polynomial([b, q])}) = ${polynomial(product)}.`,
  ]
  const at = (x: number) => (a * x + p) * (b * x + q) === product[0]! * x * x + product[1]! * x + product[2]!
  return {
    question: `Expand (${polynomial([a, p])})(${polynomial([b, q])}).`,
    steps,
    answer: polynomial(product),
    holds: [0, 1, -1, 7].every(at),
  }
}

/** Sum and product of the roots without solving. */
const vieta: Template = random => {
  const [p, q] = [nonzero(random, -12, 12), nonzero(random, -12, 12)]
  const [sum, product] = [p + q, p * q]
  const steps = [
    `The sum of the two solutions is the middle coefficient with its sign changed, which is ${sum}, and their product is the constant term, which is ${product}.`,
    `The sum of the squares is the square of the sum minus twice the product.`,
    `${bracket(sum)}^2 - 2 * ${bracket(product)} = ${sum * sum}${plus(-2 * product)} = ${sum * sum - 2 * product}.`,
  ]
  return {
    question: `Find the sum of the squares of the solutions of ${polynomial([1, -sum, product])} = 0 without solving it.`,
    steps,
    answer: `${p * p + q * q}`,
    holds: p * p + q * q === sum * sum - 2 * product,
  }
}

/** A rectangle whose area and difference of sides are known. */
const rectangle: Template = random => {
  const [width, more] = [int(random, 3, 30), int(random, 1, 18)]
  const area = width * (width + more)
  const thing = pick(random, ['garden', 'courtyard', 'carpet', 'field', 'room'])
  const steps = [
    `Let the width be x meters. The length is x + ${more}, so x(x + ${more}) = ${area}.`,
    `That is ${polynomial([1, more, -area])} = 0.`,
    `It factors because ${width + more} * ${width} = ${area} and ${width + more} - ${width} = ${more}.`,
    `The solutions are ${width} and ${-width - more}, and a width is positive, so the width is ${width} meters and the length is ${width} + ${more} = ${width + more} meters.`,
  ]
  const question = `A rectangular ${thing} is ${more} meters longer than it is wide, and its area is ${area} square meters. How wide is it?`
  return { question, steps, answer: `x = ${width}`, holds: width * width + more * width - area === 0 }
}

/** Powers of ten and of other bases: laws of exponents. */
const exponents: Template = random => {
  const [base, m, n, k] = [int(random, 2, 7), int(random, 3, 6), int(random, 2, 5), int(random, 2, 6)]
  const power = Math.max(m + n - k, 1)
  const drop = m + n - power
  const steps = [
    `Equal bases multiply by adding exponents: ${base}^${m} * ${base}^${n} = ${base}^${m + n}.`,
    `They divide by subtracting: ${base}^${m + n} / ${base}^${drop} = ${base}^${power}.`,
    `${base}^${power} = ${base ** power}.`,
  ]
  return {
    question: `Simplify ${base}^${m} * ${base}^${n} / ${base}^${drop}.`,
    steps,
    answer: `${base ** power}`,
    holds: base ** m * base ** n === base ** power * base ** drop,
  }
}

/** Quadratic equations, polynomials and powers. */
export const quadratics = {
  factoring,
  factoringWithCoefficient,
  completingTheSquare,
  discriminant,
  expand,
  vieta,
  rectangle,
  exponents,
}
