import { count, int, money, pick, pickTwo, type Template } from './problem.js'
import { containers, goods, harvests, people, towns } from './words.js'

const shopping: Template = random => {
  const person = pick(random, people)
  const [first, second] = pickTwo(random, goods)
  const price = (item: (typeof goods)[number]) => int(random, Math.ceil(item.low / 5), Math.floor(item.high / 5)) * 5
  const [p, q] = [price(first), price(second)]
  const [m, n] = [int(random, 2, 9), int(random, 2, 9)]
  const sum = m * p + n * q
  const note = [500, 1000, 2000, 5000, 10_000, 20_000, 50_000, 100_000].find(value => value >= sum)!
  const steps = [
    `The ${first.many} cost ${m} * ${money(p)} = ${money(m * p)}.`,
    `The ${second.many} cost ${n} * ${money(q)} = ${money(n * q)}.`,
    `Together that is ${money(m * p)} + ${money(n * q)} = ${money(sum)}.`,
    `The change is ${money(note)} - ${money(sum)} = ${money(note - sum)}.`,
  ]
  const question = `${person.name} buys ${m} ${first.many} at ${money(p)} each and ${n} ${second.many} at ${money(q)} each, and pays with ${money(note)}. How much change does ${person.they} get?`
  return { question, steps, answer: money(note - sum), holds: note - m * p - n * q === note - sum && note >= sum }
}

const sharing: Template = random => {
  const [person, friend] = pickTwo(random, people)
  const [box, work] = [pick(random, containers), pick(random, harvests)]
  const [boxes, each, days] = [int(random, 3, 15), int(random, 6, 48), int(random, 2, 6)]
  const spare = int(random, 1, each - 1)
  const daily = int(random, 5, 90)
  const others = boxes * each + spare - days * daily
  if (others < 5) return sharing(random)
  const all = days * daily + others
  const steps = [
    `In ${days} days ${person.name} ${work.past} ${days} * ${daily} = ${days * daily} ${work.many}.`,
    `Together with ${friend.name} it was ${days * daily} + ${others} = ${all}.`,
    `${all} = ${boxes} * ${each} + ${spare}, so ${boxes} ${box.many} are full and ${spare} ${work.many} are left over.`,
  ]
  const question = `${person.name} ${work.verb} ${daily} ${work.many} a day for ${days} days, and ${friend.name} adds ${others} more. A ${box.one} holds ${each} of them. How many ${box.many} can be filled, and how many ${work.many} are left over?`
  return {
    question,
    steps,
    answer: `${boxes} and ${spare}`,
    holds: Math.floor(all / each) === boxes && all % each === spare,
  }
}

const saving: Template = random => {
  const person = pick(random, people)
  const weekly = int(random, 3, 40)
  const [weeks, start, spent] = [int(random, 4, 30), int(random, 5, 200), int(random, 1, 12)]
  const goal = start + weeks * (weekly - spent)
  if (spent >= weekly) return saving(random)
  const thing = pick(random, ['a bicycle', 'a telescope', 'a guitar', 'a sewing machine', 'a canoe', 'a winter coat'])
  const steps = [
    `Each week there remain $${weekly} - $${spent} = $${weekly - spent}.`,
    `What is still missing is $${goal} - $${start} = $${goal - start}.`,
    `${goal - start} / ${weekly - spent} = ${weeks}, so it takes ${weeks} weeks.`,
  ]
  const question = `${person.name} wants to buy ${thing} for $${goal} and has $${start}. Every week ${person.they} earns $${weekly} and spends $${spent} of it. How many weeks will it take to have enough?`
  return { question, steps, answer: `${weeks} weeks`, holds: start + weeks * weekly - weeks * spent === goal }
}

const journey: Template = random => {
  const [start, end] = pickTwo(random, towns)
  const [v, w] = [int(random, 4, 90), int(random, 4, 90)]
  const hours = int(random, 2, 9)
  const distance = (v + w) * hours
  const who = v < 8 && w < 8 ? 'walkers' : v < 30 && w < 30 ? 'cyclists' : 'drivers'
  const steps = [
    `Every hour the distance between them shrinks by ${v} + ${w} = ${v + w} kilometers.`,
    `So they meet after ${distance} / ${v + w} = ${hours} hours.`,
    `By then the first has gone ${hours} * ${v} = ${hours * v} kilometers and the second ${hours} * ${w} = ${hours * w}, and ${hours * v} + ${hours * w} = ${distance}.`,
  ]
  const question = `${start} and ${end} are ${distance} kilometers apart. Two ${who} set out toward each other at the same time, one from each town, at ${v} and ${w} kilometers an hour. After how many hours do they meet, and how far is that from ${start}, where the first one started?`
  return {
    question,
    steps,
    answer: `${hours} hours, ${hours * v} kilometers`,
    holds: hours * v + hours * w === distance,
  }
}

const catchingUp: Template = random => {
  const person = pick(random, people)
  const [slow, gain, lead] = [int(random, 3, 40), int(random, 1, 15), int(random, 1, 6)]
  const hours = slow * lead
  const fast = slow + gain
  if (hours % gain !== 0) return catchingUp(random)
  const time = hours / gain
  const steps = [
    `In ${count(lead, 'hour')} the first traveler gets ${lead} * ${slow} = ${hours} kilometers ahead.`,
    `${person.name} gains ${fast} - ${slow} = ${gain} kilometers in each hour.`,
    `It takes ${hours} / ${gain} = ${time} hours to close the gap.`,
    `Check: ${fast} * ${time} = ${fast * time} and ${slow} * (${time} + ${lead}) = ${slow * (time + lead)}.`,
  ]
  const question = `A traveler goes ${slow} kilometers an hour. ${person.name} follows ${count(lead, 'hour')} later on the same road at ${fast} kilometers an hour. How many hours after setting out does ${person.name} catch up?`
  return { question, steps, answer: `${time} hours`, holds: fast * time === slow * (time + lead) }
}

const workTogether: Template = random => {
  const [person, friend] = pickTwo(random, people)
  const work = pick(random, harvests)
  const [a, b, hours] = [int(random, 8, 90), int(random, 8, 90), int(random, 3, 12)]
  const steps = [
    `In one hour they manage ${a} + ${b} = ${a + b} ${work.many} together.`,
    `${(a + b) * hours} / ${a + b} = ${hours}, so it takes ${hours} hours.`,
    `Of these ${person.name} does ${a} * ${hours} = ${a * hours} and ${friend.name} does ${b} * ${hours} = ${b * hours}.`,
  ]
  const question = `${person.name} ${work.verb} ${a} ${work.many} an hour and ${friend.name} ${work.verb} ${b}. How long do the two need for ${(a + b) * hours} ${work.many}, and how many of them are ${person.name}'s?`
  return { question, steps, answer: `${hours} hours, ${a * hours}`, holds: a * hours + b * hours === (a + b) * hours }
}

const headsAndLegs: Template = random => {
  const [hens, goats] = [int(random, 3, 60), int(random, 3, 60)]
  const [two, four] = pick(random, [
    ['hens', 'goats'],
    ['ducks', 'sheep'],
    ['geese', 'cows'],
    ['turkeys', 'pigs'],
  ] as const)
  const [heads, legs] = [hens + goats, 2 * hens + 4 * goats]
  const steps = [
    `If all ${heads} animals were ${two}, there would be ${heads} * 2 = ${heads * 2} legs.`,
    `There are ${legs} - ${heads * 2} = ${legs - heads * 2} legs too many for that, and each of the ${four} has 4 - 2 = 2 more.`,
    `So there are ${legs - heads * 2} / 2 = ${goats} ${four} and ${heads} - ${goats} = ${hens} ${two}.`,
    `Check: ${hens} * 2 + ${goats} * 4 = ${legs}.`,
  ]
  const question = `On a farm there are ${two} and ${four}, ${heads} animals in all, with ${legs} legs. How many ${four} are there?`
  return { question, steps, answer: `${goats}`, holds: hens + goats === heads && 2 * hens + 4 * goats === legs }
}

const ratio: Template = random => {
  const [person, friend] = pickTwo(random, people)
  const [a, b, unit] = [int(random, 1, 12), int(random, 1, 12), int(random, 3, 60)]
  if (a === b) return ratio(random)
  const sum = (a + b) * unit
  const steps = [
    `There are ${a} + ${b} = ${a + b} equal parts, and one part is $${sum} / ${a + b} = $${unit}.`,
    `${person.name} gets ${a} * $${unit} = $${a * unit} and ${friend.name} gets ${b} * $${unit} = $${b * unit}.`,
    `Check: $${a * unit} + $${b * unit} = $${sum}.`,
  ]
  const question = `${person.name} and ${friend.name} share $${sum} in the ratio of ${a} to ${b}. How much does each of them get?`
  return {
    question,
    steps,
    answer: `$${a * unit} and $${b * unit}`,
    holds: a * unit * b === b * unit * a && sum === a * unit + b * unit,
  }
}

/** A cistern that is filled and drained at once. */
const cistern: Template = random => {
  const [inflow, outflow, hours] = [int(random, 30, 240), int(random, 5, 29), int(random, 3, 20)]
  const start = int(random, 1, 20) * 10
  const volume = start + (inflow - outflow) * hours
  const steps = [
    `In one hour the tank gains ${inflow} - ${outflow} = ${inflow - outflow} liters.`,
    `${volume} - ${start} = ${volume - start} liters are missing at the beginning.`,
    `${volume - start} / ${inflow - outflow} = ${hours}, so it is full after ${hours} hours.`,
  ]
  const question = `A tank for ${volume} liters holds ${start} liters. Every hour ${inflow} liters flow in and ${outflow} liters leak out. After how many hours is it full?`
  return { question, steps, answer: `${hours} hours`, holds: start + hours * inflow - hours * outflow === volume }
}

/** Wages with overtime paid at one and a half times the rate. */
const wages: Template = random => {
  const person = pick(random, people)
  const rate = int(random, 6, 40)
  const [normal, over] = [int(random, 20, 40), int(random, 1, 12)]
  const [extra, basic] = [rate * 150, normal * rate * 100]
  const steps = [
    `The normal hours bring ${normal} * $${rate} = ${money(basic)}.`,
    `An hour of overtime brings 1.5 * $${rate} = ${money(extra)}, so ${count(over, 'hour')} ${over === 1 ? 'brings' : 'bring'} ${over} * ${money(extra)} = ${money(over * extra)}.`,
    `Altogether that is ${money(basic)} + ${money(over * extra)} = ${money(basic + over * extra)}.`,
  ]
  const question = `${person.name} earns $${rate} an hour, and one and a half times as much for overtime. What does ${person.they} earn in a week with ${normal} normal hours and ${count(over, 'hour')} of overtime?`
  return {
    question,
    steps,
    answer: money(basic + over * extra),
    holds: basic + over * extra === 50 * rate * (2 * normal + 3 * over),
  }
}

/** Problems told as small stories. */
export const stories = {
  shopping,
  sharing,
  saving,
  journey,
  catchingUp,
  workTogether,
  headsAndLegs,
  ratio,
  cistern,
  wages,
}
