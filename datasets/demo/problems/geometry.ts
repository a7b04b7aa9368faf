import { count, decimal, int, pick, type Template } from './problem.js'

const place = ['garden', 'meadow', 'playground', 'parking lot', 'vineyard', 'courtyard']

const perimeterAndArea: Template = random => {
  const [a, b] = [int(random, 4, 95), int(random, 4, 95)]
  const steps = [
    `The fence runs along all four sides: 2 * (${a} + ${b}) = 2 * ${a + b} = ${2 * (a + b)}.`,
    `The area is ${a} * ${b} = ${a * b}.`,
  ]
  const question = `A rectangular ${pick(random, place)} measures ${a} meters by ${b} meters. How long is the fence around it, and what is its area?`
  return {
    question,
    steps,
    answer: `${2 * (a + b)} meters and ${a * b} square meters`,
    holds: 2 * (a + b) === a + b + a + b,
  }
}

const rightTriangle: Template = random => {
  const m = int(random, 2, 12)
  const n = int(random, 1, m - 1)
  const scale = int(random, 1, 5)
  const [a, b, c] = [scale * (m * m - n * n), scale * 2 * m * n, scale * (m * m + n * n)]
  const hypotenuse = random.below(2) === 0
  const steps = hypotenuse
    ? [
        `By the theorem of Pythagoras the square of the long side is ${a}^2 + ${b}^2 = ${a * a} + ${b * b} = ${c * c}.`,
        `Since ${c}^2 = ${c * c}, it is ${c} long.`,
      ]
    : [
        `By the theorem of Pythagoras the square of the missing side is ${c}^2 - ${a}^2 = ${c * c} - ${a * a} = ${b * b}.`,
        `Since ${b}^2 = ${b * b}, it is ${b} long.`,
      ]
  const question = hypotenuse
    ? pick(random, [
        `The two short sides of a right triangle are ${a} and ${b}. How long is the third side?`,
        `A walker goes ${a} meters north and then ${b} meters east. How far is he from where he started, in a straight line?`,
      ])
    : pick(random, [
        `A right triangle has a hypotenuse of ${c} and one side of ${a}. Find the other side.`,
        `A ladder ${c} feet long stands with its foot ${a} feet from a wall. How high does it reach?`,
      ])
  return { question, steps, answer: `${hypotenuse ? c : b}`, holds: a * a + b * b === c * c }
}

const angles: Template = random => {
  const [a, b] = [int(random, 20, 85), int(random, 20, 85)]
  const c = 180 - a - b
  const steps = [
    'The angles of a triangle add up to 180 degrees.',
    `The two that are known make ${a} + ${b} = ${a + b}.`,
    `The third is 180 - ${a + b} = ${c} degrees.`,
  ]
  return {
    question: `Two angles of a triangle are ${a} and ${b} degrees. How large is the third?`,
    steps,
    answer: `${c}`,
    holds: a + b + c === 180 && c > 0,
  }
}

const triangleArea: Template = random => {
  const [base, height] = [int(random, 3, 80), int(random, 3, 80)]
  const text = decimal(base * height * 5, 1)
  const steps = [
    `A triangle is half of a rectangle with the same base and height.`,
    `The rectangle has the area ${base} * ${height} = ${base * height}, so the triangle has ${base * height} / 2 = ${text}.`,
  ]
  return {
    question: `A triangle has a base of ${base} centimeters and a height of ${height} centimeters. What is its area?`,
    steps,
    answer: `${text} square centimeters`,
    holds: Number(text) * 2 === base * height,
  }
}

const boxVolume: Template = random => {
  const [a, b, c] = [int(random, 2, 40), int(random, 2, 40), int(random, 2, 40)]
  const surface = 2 * (a * b + b * c + a * c)
  const steps = [
    `The volume is ${a} * ${b} * ${c} = ${a * b} * ${c} = ${a * b * c}.`,
    `The faces come in three pairs: ${a} * ${b} = ${a * b}, ${b} * ${c} = ${b * c} and ${a} * ${c} = ${a * c}.`,
    `The surface is 2 * (${a * b} + ${b * c} + ${a * c}) = 2 * ${a * b + b * c + a * c} = ${surface}.`,
  ]
  return {
    question: `A box is ${a} by ${b} by ${c} centimeters. Find its volume and its surface.`,
    steps,
    answer: `${a * b * c} and ${surface}`,
    holds: (a * b * c) / c === a * b,
  }
}

const tiling: Template = random => {
  const tile = pick(random, [15, 20, 25, 30, 40, 50])
  const [m, n] = [int(random, 6, 40), int(random, 6, 40)]
  const spare = int(random, 3, 20)
  const steps = [
    `Along one side there is room for ${m * tile} / ${tile} = ${m} tiles, along the other for ${n * tile} / ${tile} = ${n}.`,
    `That makes ${m} * ${n} = ${m * n} tiles.`,
    `With ${count(spare, 'spare tile')} it is ${m * n} + ${spare} = ${m * n + spare}.`,
  ]
  const question = `A floor of ${m * tile} by ${n * tile} centimeters is to be covered with square tiles of ${tile} centimeters, and ${count(spare, 'spare tile')} shall be kept in the cellar. How many tiles must be bought?`
  return { question, steps, answer: `${m * n + spare}`, holds: m * tile * n * tile === m * n * tile * tile }
}

/** A frame around a rectangle: the difference of two areas. */
const border: Template = random => {
  const [a, b, w] = [int(random, 6, 60), int(random, 6, 60), int(random, 1, 5)]
  const [outerA, outerB] = [a + 2 * w, b + 2 * w]
  const path = outerA * outerB - a * b
  const steps = [
    `With the path the sides are ${a} + 2 * ${w} = ${outerA} and ${b} + 2 * ${w} = ${outerB}.`,
    `The whole area is ${outerA} * ${outerB} = ${outerA * outerB} and the lawn alone is ${a} * ${b} = ${a * b}.`,
    `The path has the area ${outerA * outerB} - ${a * b} = ${path}.`,
  ]
  const question = `A lawn of ${a} by ${b} meters is surrounded on all sides by a path that is ${count(w, 'meter')} wide. What is the area of the path in square meters?`
  return { question, steps, answer: `${path}`, holds: path === 2 * w * (a + b) + 4 * w * w }
}

/** Lengths, areas and angles. */
export const geometry = { perimeterAndArea, rightTriangle, angles, triangleArea, boxVolume, tiling, border }
