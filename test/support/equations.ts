/** An exact fraction; the denominator is positive. */
interface Rational {
  n: bigint
  d: bigint
}

export type Bindings = Record<string, Rational>

/** The fraction that `-7` or `3/4` stands for. */
export function rational(text: string): Rational {
  const [n, d = '1'] = text.split('/')
  return { n: BigInt(n!), d: BigInt(d) }
}

/** A chain of sides with the relations between them: `2 + 3 = 5 < 6`. */
export interface Chain {
  sides: string[]
  relations: string[]
}

const mathWord = /^[\d.xynk()+\-*/^$=<>]+$/

/** Every chain with a relation in running text: maximal runs of words made of digits, operators and the variables x, y, n, k. */
export function chainsOf(text: string): Chain[] {
  const runs: string[][] = [[]]
  for (const line of text.split('\n')) {
    for (const word of line.split(/\s+/)) {
      const bare = word.replace(/[.,;:?!]+$/, '')
      const isMath = bare === 'mod' || (mathWord.test(bare) && !/[a-z]{2}/.test(bare))
      if (isMath) runs.at(-1)!.push(bare)
      if (!isMath || bare !== word) runs.push([])
    }
    runs.push([])
  }
  return runs.filter(words => words.some(word => /^[=<>]$/.test(word))).map(toChain)
}

function toChain(words: string[]): Chain {
  const chain: Chain = { sides: [''], relations: [] }
  for (const word of words) {
    if (/^[=<>]$/.test(word)) {
      chain.relations.push(word)
      chain.sides.push('')
    } else chain.sides.push(`${chain.sides.pop()} ${word}`)
  }
  return { ...chain, sides: chain.sides.map(side => side.trim()) }
}

/** The pairs of neighbouring sides whose values are known: how many there are, and those that are false. */
export function checkChain(chain: Chain, bindings: Bindings = {}): { checked: number; wrong: string[] } {
  const result = { checked: 0, wrong: [] as string[] }
  chain.relations.forEach((relation, i) => {
    const [left, right] = [chain.sides[i]!, chain.sides[i + 1]!]
    const known = [left, right].every(side => (side.match(/[xynk]/g) ?? []).every(variable => variable in bindings))
    if (left === '' || right === '' || !known) return
    result.checked++
    const [a, b] = [evaluate(left, bindings), evaluate(right, bindings)]
    const difference = a.n * b.d - b.n * a.d
    const holds = relation === '=' ? difference === 0n : relation === '<' ? difference < 0n : difference > 0n
    if (!holds) result.wrong.push(`${left} ${relation} ${right}`)
  })
  return result
}

/** The exact value of an expression: + - * / ^, brackets, implicit products such as 3x and (x + 1)(x - 2), and a final `mod`. */
export function evaluate(expression: string, bindings: Bindings = {}): Rational {
  const tokens = expression.match(/\d+(?:\.\d+)?|mod|[xynk()+\-*/^]|\S/g) ?? []
  let at = 0
  const fail = (): never => {
    throw new Error(`cannot read "${expression}" at token ${at}: ${tokens[at] ?? 'end'}`)
  }
  const take = (token: string): boolean => {
    const found = tokens[at] === token
    if (found) at++
    return found
  }

  function sum(): Rational {
    let value = product()
    for (;;) {
      if (take('+')) value = add(value, product())
      else if (take('-')) value = add(value, negate(product()))
      else return value
    }
  }
  function product(): Rational {
    let value = signed()
    for (;;) {
      if (take('*')) value = multiply(value, signed())
      else if (take('/')) value = divide(value, signed())
      else if (/^[xynk(]$/.test(tokens[at] ?? '')) value = multiply(value, power())
      else return value
    }
  }
  function signed(): Rational {
    return take('-') ? negate(signed()) : power()
  }
  function power(): Rational {
    const base = atom()
    return take('^') ? raise(base, atom()) : base
  }
  function atom(): Rational {
    take('$')
    const token = tokens[at++]
    if (token === '(') {
      const value = sum()
      return take(')') ? value : fail()
    }
    if (token !== undefined && token in bindings) return bindings[token]!
    return token !== undefined && /^\d/.test(token) ? decimalValue(token) : fail()
  }

  const value = sum()
  const result = take('mod') ? modulo(value, sum()) : value
  return at === tokens.length ? result : fail()
}

function decimalValue(token: string): Rational {
  const [whole, tail = ''] = token.split('.')
  return { n: BigInt(whole + tail), d: 10n ** BigInt(tail.length) }
}

const negate = (a: Rational): Rational => ({ n: -a.n, d: a.d })
const add = (a: Rational, b: Rational): Rational => ({ n: a.n * b.d + b.n * a.d, d: a.d * b.d })
const multiply = (a: Rational, b: Rational): Rational => ({ n: a.n * b.n, d: a.d * b.d })

function divide(a: Rational, b: Rational): Rational {
  if (b.n === 0n) throw new Error('division by zero')
  return b.n < 0n ? { n: -a.n * b.d, d: a.d * -b.n } : { n: a.n * b.d, d: a.d * b.n }
}

function raise(base: Rational, exponent: Rational): Rational {
  if (exponent.n % exponent.d !== 0n || exponent.n < 0n) throw new Error('exponent is not a whole number from 0 on')
  const power = exponent.n / exponent.d
  return { n: base.n ** power, d: base.d ** power }
}

function modulo(a: Rational, b: Rational): Rational {
  if (a.n % a.d !== 0n || b.n % b.d !== 0n) throw new Error('mod of a fraction')
  const [x, m] = [a.n / a.d, b.n / b.d]
  return { n: ((x % m) + m) % m, d: 1n }
}
