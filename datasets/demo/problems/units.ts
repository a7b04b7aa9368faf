import { count, decimal, int, pick, type Template } from './problem.js'
import { people, towns } from './words.js'

/** Units with the number of small ones in a large one. */
const scales = [
  ['kilometers', 'meters', 1000],
  ['meters', 'centimeters', 100],
  ['centimeters', 'millimeters', 10],
  ['kilograms', 'grams', 1000],
  ['tonnes', 'kilograms', 1000],
  ['liters', 'milliliters', 1000],
  ['hours', 'minutes', 60],
  ['minutes', 'seconds', 60],
  ['days', 'hours', 24],
  ['weeks', 'days', 7],
  ['feet', 'inches', 12],
  ['yards', 'feet', 3],
  ['pounds', 'ounces', 16],
  ['gallons', 'pints', 8],
] as const

const convert: Template = random => {
  const [large, small, factor] = pick(random, scales)
  const halves = int(random, 3, 120)
  const scaled = halves * 5
  const value = decimal(scaled, 1)
  const result = (scaled * factor) / 10
  const text = decimal(result * 10, 1)
  const steps = [`One of the ${large} has ${factor} ${small}.`, `So we multiply: ${value} * ${factor} = ${text}.`]
  return {
    question: `Convert ${value} ${large} to ${small}.`,
    steps,
    answer: `${text} ${small}`,
    holds: result * 2 === halves * factor,
  }
}

/** A length of time in seconds as hours, minutes and seconds. */
const splitSeconds: Template = random => {
  const [h, m, s] = [int(random, 1, 11), int(random, 0, 59), int(random, 1, 59)]
  const seconds = h * 3600 + m * 60 + s
  const steps = [
    `An hour has 60 * 60 = 3600 seconds: ${seconds} = ${h} * 3600 + ${m * 60 + s}.`,
    `A minute has 60 seconds: ${m * 60 + s} = ${m} * 60 + ${s}.`,
    `So it is ${count(h, 'hour')}, ${count(m, 'minute')} and ${count(s, 'second')}.`,
  ]
  const holds = Math.floor(seconds / 3600) === h && Math.floor(seconds / 60) % 60 === m && seconds % 60 === s
  return {
    question: `Write ${seconds} seconds in hours, minutes and seconds.`,
    steps,
    answer: `${h} h ${m} min ${s} s`,
    holds,
  }
}

/** Kilometers an hour to meters a second. */
const speed: Template = random => {
  const mps = int(random, 2, 160)
  const kmhTenths = mps * 36
  const forward = random.below(2) === 0
  const kmh = decimal(kmhTenths, 1)
  const steps = forward
    ? [
        `A kilometer has 1000 meters and an hour has 3600 seconds.`,
        `${kmh} * 1000 / 3600 = ${decimal(kmhTenths * 100, 0)} / 3600 = ${mps}.`,
      ]
    : [
        `An hour has 3600 seconds, so in an hour it covers ${mps} * 3600 = ${mps * 3600} meters.`,
        `A kilometer has 1000 meters: ${mps * 3600} / 1000 = ${kmh}.`,
      ]
  const question = forward
    ? `How many meters a second are ${kmh} kilometers an hour?`
    : `A bird flies ${mps} meters in a second. How many kilometers an hour is that?`
  return { question, steps, answer: forward ? `${mps}` : kmh, holds: kmhTenths * 1000 === mps * 36_000 }
}

/** A recipe for one number of guests cooked for another. */
const recipe: Template = random => {
  const person = pick(random, people)
  const from = int(random, 2, 8)
  const perGuest = int(random, 4, 36) * 5
  const to = from + int(random, 1, 15)
  const [thing, unit] = pick(random, [
    ['flour', 'grams'],
    ['milk', 'milliliters'],
    ['rice', 'grams'],
    ['cherries', 'grams'],
    ['soup stock', 'milliliters'],
  ] as const)
  const steps = [
    `For one person it takes ${from * perGuest} / ${from} = ${perGuest} ${unit}.`,
    `For ${to} people it takes ${to} * ${perGuest} = ${to * perGuest} ${unit}.`,
  ]
  const question = `A recipe for ${from} people needs ${from * perGuest} ${unit} of ${thing}. ${person.name} cooks for ${to} people. How much ${thing} does ${person.they} need?`
  return {
    question,
    steps,
    answer: `${to * perGuest} ${unit}`,
    holds: (to * perGuest) / to === (from * perGuest) / from,
  }
}

/** Scale of a map. */
const mapScale: Template = random => {
  const [start, end] = [pick(random, towns.slice(0, 9)), pick(random, towns.slice(9))]
  const scale = pick(random, [20_000, 25_000, 50_000, 100_000, 200_000, 250_000])
  const millimeters = int(random, 12, 380)
  const centimeters = decimal(millimeters, 1)
  const meters = (millimeters * scale) / 1000
  const steps = [
    `One centimeter of the map is ${scale} centimeters of land, and ${scale} / 100 = ${scale / 100} meters.`,
    `${centimeters} * ${scale / 100} = ${meters} meters.`,
    `In kilometers that is ${meters} / 1000 = ${decimal(meters, 3)}.`,
  ]
  const question = `On a map with the scale of 1 to ${scale} the road from ${start} to ${end} is ${centimeters} centimeters long. How many kilometers is it on the ground?`
  return { question, steps, answer: `${decimal(meters, 3)} km`, holds: meters * 1000 === millimeters * scale }
}

/** Time of arrival from the time of departure. */
const timetable: Template = random => {
  const [start, end] = [pick(random, towns.slice(0, 9)), pick(random, towns.slice(9))]
  const leave = int(random, 300, 1000)
  const minutes = int(random, 35, 400)
  const arrive = leave + minutes
  const clock = (value: number) => `${Math.floor(value / 60)}:${`${value % 60}`.padStart(2, '0')}`
  const steps = [
    `The departure is ${Math.floor(leave / 60)} * 60 + ${leave % 60} = ${leave} minutes after midnight.`,
    `The journey takes ${Math.floor(minutes / 60)} * 60 + ${minutes % 60} = ${minutes} minutes.`,
    `${leave} + ${minutes} = ${arrive} and ${arrive} = ${Math.floor(arrive / 60)} * 60 + ${arrive % 60}, so the train arrives at ${clock(arrive)}.`,
  ]
  const question = `A train leaves ${start} at ${clock(leave)} and reaches ${end} after ${count(Math.floor(minutes / 60), 'hour')} and ${count(minutes % 60, 'minute')}. When does it arrive?`
  return { question, steps, answer: clock(arrive), holds: arrive < 1440 && arrive - minutes === leave }
}

/** Areas: the square of the factor of lengths. */
const areaUnits: Template = random => {
  const [w, h] = [int(random, 12, 90) * 10, int(random, 12, 90) * 10]
  const area = w * h
  const steps = [
    `In meters the sides are ${w} / 100 = ${decimal(w, 2)} and ${h} / 100 = ${decimal(h, 2)}.`,
    `The area is ${decimal(w, 2)} * ${decimal(h, 2)} = ${decimal(area, 4)} square meters.`,
    `Check: a square meter has 100 * 100 = 10000 square centimeters, and ${w} * ${h} / 10000 = ${decimal(area, 4)}.`,
  ]
  return {
    question: `A sheet of cloth is ${w} centimeters long and ${h} centimeters wide. How many square meters is it?`,
    steps,
    answer: decimal(area, 4),
    holds: area / h === w,
  }
}

/** Units of length, weight, time, speed and area. */
export const units = { convert, splitSeconds, speed, recipe, mapScale, timetable, areaUnits }
