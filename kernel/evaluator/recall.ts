import { types } from 'node:util'

/** Results that are kept, and what they may hold together by {@link heldBytes}; the oldest go first. */
const maxResults = 1000
const maxHeldBytes = 32 * 2 ** 20
/** Objects that are looked at to estimate what a value holds; one with more counts as large. */
const maxVisited = 2000
const largeBytes = 4 * 2 ** 20
/** Results under the short names: the last one is `_`, the one before it `__`. */
const shortNames = ['_', '__', '___']
const longestType = 4000

/** The names in code that recall something. */
const mention = /(?<![\w$.])(?:_{1,3}|_\d+|In|Out)(?![\w$])/g

export interface CellResultValue {
  /** Number of the cell. */
  count: number
  /** The value of the last expression; undefined is not kept. */
  value: unknown
  /** Its type as TypeScript; null when it is not known. */
  type: string | null
}

interface Result {
  value: unknown
  type: string
  bytes: number
}

/**
 * What cells recall of earlier ones, by the names that IPython has: `_`, `__` and `___` are the last three results, `_3` and `Out[3]`
 * the result of cell 3, `In[3]` its source. Kept are the newest results, a thousand at most and about 32 MB in all (the last three
 * always), so that looking at large values in passing does not fill the memory.
 */
export class Recall {
  readonly #results = new Map<number, Result>()
  readonly #out: Record<number, unknown> = {}
  readonly #in: string[] = ['']
  readonly #recent: Result[] = []
  #bytes = 0

  constructor() {
    this.#define('In', this.#in)
    this.#define('Out', this.#out)
  }

  /** A cell begins. */
  addSource(count: number, source: string): void {
    this.#in[count] = source
  }

  /** A cell has ended with a value. */
  addResult({ count, value, type }: CellResultValue): void {
    if (value === undefined) return
    this.#drop(count)
    const isUsable = type !== null && type.length <= longestType
    const result = { value, type: isUsable ? type : 'any', bytes: heldBytes(value) }
    this.#results.set(count, result)
    this.#bytes += result.bytes
    this.#out[count] = value
    this.#define(`_${count}`, value)
    this.#recent.unshift(result)
    this.#recent.splice(shortNames.length)
    for (const [i, { value: recent }] of this.#recent.entries()) this.#define(shortNames[i]!, recent)
    for (const old of this.#results.keys()) {
      const isOver = this.#results.size > maxResults || this.#bytes > maxHeldBytes
      if (!isOver || this.#results.size <= shortNames.length) break
      this.#drop(old)
    }
  }

  /** TypeScript declarations of the names of this kind that the code mentions, but for those that the user has declared. */
  declarationsFor(code: string, declared: ReadonlySet<string>): string {
    const names = new Set([...code.matchAll(mention)].map(([name]) => name))
    const lines = [...names].map(name => (declared.has(name) ? '' : this.#declarationOf(name, code)))
    return lines.join('')
  }

  /** Takes the names back. */
  dispose(): void {
    for (const name of ['In', 'Out', ...shortNames, ...[...this.#results.keys()].map(count => `_${count}`)])
      Reflect.deleteProperty(globalThis, name)
  }

  #declarationOf(name: string, code: string): string {
    if (name === 'In') return '/** Sources of the cells by their number. */\ndeclare const In: readonly string[];\n'
    if (name === 'Out')
      return `/** Results of the cells by their number. */\ndeclare const Out: ${this.#typeOfOut(code)};\n`
    const short = shortNames.indexOf(name)
    const result = short >= 0 ? this.#recent[short] : this.#results.get(Number(name.slice(1)))
    return result ? `declare let ${name}: ${result.type};\n` : ''
  }

  /** With the types of the results that the code asks for by number. */
  #typeOfOut(code: string): string {
    const counts = new Set([...code.matchAll(/\bOut\s*\[\s*(\d+)/g)].map(([, count]) => Number(count)))
    const known = [...counts].map(count => [count, this.#results.get(count)] as const)
    return `{ ${known.map(([count, result]) => (result ? `${count}: ${result.type}; ` : '')).join('')}[count: number]: any }`
  }

  #drop(count: number): void {
    const result = this.#results.get(count)
    if (!result) return
    this.#results.delete(count)
    this.#bytes -= result.bytes
    delete this.#out[count]
    Reflect.deleteProperty(globalThis, `_${count}`)
  }

  #define(name: string, value: unknown): void {
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false })
  }
}

/**
 * About how many bytes a value keeps in memory: its arrays, texts and buffers, without running any code of its own. A value of very many
 * objects counts as 4 MB.
 */
export function heldBytes(value: unknown): number {
  const seen = new Set<object>()
  const waiting: unknown[] = [value]
  let bytes = 0
  while (waiting.length > 0) {
    const item = waiting.pop()
    if (typeof item === 'string') bytes += item.length
    if (typeof item !== 'object' || item === null || types.isProxy(item) || seen.has(item)) continue
    seen.add(item)
    if (seen.size > maxVisited) return bytes + largeBytes
    bytes += ownBytes(item)
    if (!ArrayBuffer.isView(item) && !types.isAnyArrayBuffer(item)) waiting.push(...partsOf(item))
  }
  return bytes
}

function ownBytes(item: object): number {
  if (ArrayBuffer.isView(item)) return item.byteLength
  if (types.isAnyArrayBuffer(item)) return item.byteLength
  return Array.isArray(item) ? 8 * item.length : 64
}

/** What an object holds, as far as it is plain to see: properties that are no accessors, and the entries of maps and sets. */
function partsOf(item: object): unknown[] {
  if (types.isMap(item)) return [...Map.prototype.entries.call(item)].slice(0, maxVisited).flat()
  if (types.isSet(item)) return [...Set.prototype.values.call(item)].slice(0, maxVisited)
  if (Array.isArray(item)) return item.slice(0, maxVisited + 1)
  return Reflect.ownKeys(item)
    .slice(0, maxVisited)
    .map(key => Object.getOwnPropertyDescriptor(item, key)?.value)
}
