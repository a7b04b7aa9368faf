import { count, decimal, int, money, pick, type Template } from './problem.js'
import { goods, people } from './words.js'

const percentOf: Template = random => {
  const rate = int(random, 1, 19) * 5
  const base = int(random, 2, 60) * 20
  const part = (base * rate) / 100
  const steps = [`${rate} percent means ${rate}/100.`, `${rate}/100 * ${base} = ${rate * base}/100 = ${part}.`]
  const question = pick(random, [`What is ${rate}% of ${base}?`, `Find ${rate} percent of ${base}.`])
  return { question, steps, answer: `${part}`, holds: part * 100 === rate * base }
}

const whatPercent: Template = random => {
  const rate = int(random, 1, 19) * 5
  const base = int(random, 2, 60) * 20
  const part = (base * rate) / 100
  const thing = pick(random, [
    ['students', 'walk to school'],
    ['trees in an orchard', 'are apple trees'],
    ['seats in a hall', 'are taken'],
    ['books on a list', 'are novels'],
  ] as const)
  const steps = [
    `Divide the part by the whole: ${part} / ${base} = ${decimal(rate, 2)}.`,
    `Multiply by 100 to get percent: ${decimal(rate, 2)} * 100 = ${rate}.`,
  ]
  const question = `Of ${base} ${thing[0]}, ${part} ${thing[1]}. What percentage is that?`
  return { question, steps, answer: `${rate}%`, holds: part * 100 === base * rate }
}

const discount: Template = random => {
  const item = pick(random, goods)
  const rate = pick(random, [5, 10, 15, 20, 25, 30, 40, 50, 60])
  const price = int(random, Math.ceil(item.low / 20), Math.floor(item.high / 20)) * 20
  const off = (price * rate) / 100
  const steps = [
    `The reduction is ${rate}/100 * ${money(price)} = ${money(off)}.`,
    `The new price is ${money(price)} - ${money(off)} = ${money(price - off)}.`,
    `It can also be found in one step, because ${100 - rate}/100 * ${money(price)} = ${money(price - off)}.`,
  ]
  const question = pick(random, [
    `A ${item.one} costs ${money(price)}. In a sale the price is reduced by ${rate}%. What does it cost now?`,
    `The price of a ${item.one} is ${money(price)} before a discount of ${rate} percent. Find the price after the discount.`,
  ])
  return {
    question,
    steps,
    answer: money(price - off),
    holds: Number.isInteger(off) && (price - off) * 100 === price * (100 - rate),
  }
}

const increase: Template = random => {
  const rate = int(random, 1, 15) * 4
  const base = int(random, 3, 60) * 25
  const more = (base * rate) / 100
  const thing = pick(random, [
    'A village had BASE inhabitants',
    'A school had BASE pupils',
    'A library lent BASE books in a month',
    'A farm produced BASE eggs in a week',
  ])
  const steps = [
    `The increase is ${rate}/100 * ${base} = ${more}.`,
    `So the new number is ${base} + ${more} = ${base + more}.`,
  ]
  const question = `${thing.replace('BASE', `${base}`)}. The number has since grown by ${rate}%. What is it now?`
  return { question, steps, answer: `${base + more}`, holds: (base + more) * 100 === base * (100 + rate) }
}

const reversePercent: Template = random => {
  const rate = pick(random, [5, 10, 20, 25, 40, 50, 60])
  const original = int(random, 2, 80) * 20
  const up = random.below(2) === 0
  const factor = up ? 100 + rate : 100 - rate
  const now = (original * factor) / 100
  const steps = [
    `The price now is 100 ${up ? '+' : '-'} ${rate} = ${factor} percent of the old price.`,
    `One percent of the old price is $${now} / ${factor} = ${money(original)}.`,
    `The old price is 100 * ${money(original)} = $${original}.`,
    `Check: ${factor}/100 * $${original} = $${now}.`,
  ]
  const thing = pick(random, ['bicycle', 'sewing machine', 'carpet', 'writing desk', 'clock', 'violin'])
  const question = `After ${up ? 'an increase' : 'a reduction'} of ${rate}% a ${thing} costs $${now}. What did it cost before?`
  return { question, steps, answer: `$${original}`, holds: Number.isInteger(now) && now * 100 === original * factor }
}

/** Interest added each year; the sum is chosen so that every value is exact to the cent. */
const compoundInterest: Template = random => {
  const years = int(random, 2, 3)
  const rate = years === 2 ? int(random, 2, 12) : pick(random, [10, 20])
  const start = int(random, 2, 90) * (years === 2 ? 100 : 10)
  const person = pick(random, people)
  const steps: string[] = []
  let cents = start * 100
  for (let year = 1; year <= years; year++) {
    const interest = (cents * rate) / 100
    steps.push(
      `Year ${year}: the interest is ${rate}/100 * ${money(cents)} = ${money(interest)}, and the account holds ${money(cents)} + ${money(interest)} = ${money(cents + interest)}.`,
    )
    cents += interest
  }
  const question = `${person.name} puts $${start} in a bank that adds ${rate}% interest at the end of each year. How much is in the account after ${years} years, if ${person.they} takes nothing out?`
  return { question, steps, answer: money(cents), holds: cents * 100 ** (years - 1) === start * (100 + rate) ** years }
}

const simpleInterest: Template = random => {
  const rate = int(random, 2, 9)
  const years = int(random, 2, 8)
  const start = int(random, 2, 60) * 50
  const interest = start * rate * years
  const steps = [
    `One year brings ${rate}/100 * $${start} = ${money(start * rate)}.`,
    `${years} years bring ${years} * ${money(start * rate)} = ${money(interest)}.`,
    `Together with the loan that is $${start} + ${money(interest)} = ${money(start * 100 + interest)}.`,
  ]
  const question = `A loan of $${start} bears simple interest of ${rate}% a year. How much must be paid back in one sum after ${years} years?`
  return {
    question,
    steps,
    answer: money(start * 100 + interest),
    holds: start * (100 + rate * years) === start * 100 + interest,
  }
}

/** Two liquids of known strength poured together. */
const mixture: Template = random => {
  const [a, b] = [int(random, 1, 9) * 5, int(random, 10, 18) * 5]
  const whole = pick(random, [2, 4, 5, 8, 10, 16, 20])
  const p = int(random, 1, whole - 1)
  const q = whole - p
  const salt = p * a + q * b
  const liquid = pick(random, ['vinegar', 'syrup', 'salt water', 'dye'])
  const strength = decimal((salt * 10_000) / whole, 4)
  const steps = [
    `The first contributes ${p} * ${a} = ${p * a} and the second ${q} * ${b} = ${q * b}, in hundredths of a liter.`,
    `Together that is ${p * a} + ${q * b} = ${salt} hundredths in ${p} + ${q} = ${whole} liters.`,
    `The strength in percent is ${salt} / ${whole} = ${strength}.`,
  ]
  const question = `${pick(random, people).name} mixes ${count(p, 'liter')} of ${liquid} of strength ${a}% with ${count(q, 'liter')} of strength ${b}%. What is the strength of the mixture in percent?`
  return { question, steps, answer: strength, holds: salt > a * whole && salt < b * whole }
}

/** Percentages of numbers, prices and savings. */
export const percent = {
  percentOf,
  whatPercent,
  discount,
  increase,
  reversePercent,
  compoundInterest,
  simpleInterest,
  mixture,
}
