import { keyOf, Prng } from '../../src/util/prng.js'
import { catalog } from './problems/catalog.js'
import { type Problem, pick } from './problems/problem.js'
import type { ShardFile } from './shard-file.js'
import { concat, zstdStoreFrame } from './zstd-store.js'

/** One line of a shard, in the form of Proof-Pile-2. */
export interface MathRecord {
  text: string
  meta: { id: string; topic: string; template: string; answer: string; license: string }
}

const seed = 20_240_104
/** Text bytes of each split, in UTF-8 before JSON escaping. */
const validationBytes = 100_000
const trainBytes = 1_450_000
/** Frames end at line ends and hold about this much, so that a reader may seek to any of them. */
const frameBytes = 256 * 1024
const drawLimit = 200

/** What makes two problems the same exercise: their template and the numbers of the question, whatever the names in it. */
export function problemSignature(record: MathRecord): string {
  const question = record.text.slice(0, record.text.indexOf('\n'))
  return `${record.meta.template}:${(question.match(/\d+(\.\d+)?/g) ?? []).join(',')}`
}

/**
 * All problems of the demo. Templates take turns; a problem whose signature was seen before, in either split, is drawn again.
 *
 * @throws when a composed problem fails its own check or a template has too few variants
 */
export function composeMath(): { train: MathRecord[]; validation: MathRecord[] } {
  const seen = new Set<string>()
  const validation = composeSplit('validation', validationBytes, seen)
  return { train: composeSplit('train', trainBytes, seen), validation }
}

function composeSplit(split: string, bytes: number, seen: Set<string>): MathRecord[] {
  const records: MathRecord[] = []
  for (let used = 0, i = 0; used < bytes; i++) {
    const record = composeNew(split, i, seen)
    records.push(record)
    used += Buffer.byteLength(record.text)
  }
  return shuffle(records, new Prng(keyOf(seed, split, 'order')))
}

/** Problem number `index` of a split that is not in `seen`; adds it there. */
function composeNew(split: string, index: number, seen: Set<string>): MathRecord {
  const { topic, name, template } = catalog[index % catalog.length]!
  for (let draw = 0; draw < drawLimit; draw++) {
    const random = new Prng(keyOf(seed, split, index, draw))
    const problem = template(random)
    if (!problem.holds)
      throw new Error(`template ${topic}.${name} composed a wrong problem: ${problem.question} -> ${problem.answer}`)
    const meta = {
      id: `${split}-${`${index}`.padStart(5, '0')}`,
      topic,
      template: `${topic}.${name}`,
      answer: problem.answer,
      license: 'MIT',
    }
    const record = { text: layOut(problem, random), meta }
    const signature = problemSignature(record)
    if (seen.has(signature)) continue
    seen.add(signature)
    return record
  }
  throw new Error(
    `template ${topic}.${name} gave no new problem in ${drawLimit} draws; give it a wider range of numbers`,
  )
}

/** The problem as text, in one of four layouts; the question is always the first line. */
function layOut({ question, steps, answer }: Problem, random: Prng): string {
  const numbered = steps.map((step, i) => `Step ${i + 1}. ${step}`)
  const layouts = [
    () => `Problem. ${question}\n\nSolution. ${steps.join(' ')}\n\nAnswer: ${answer}\n`,
    () => `Question: ${question}\nAnswer: ${steps.join('\n')}\n#### ${answer}\n`,
    () => `${question}\n\n${numbered.join('\n')}\n\nResult: ${answer}\n`,
    () => `Exercise: ${question}\n\n${steps.join('\n')}\n\nThe answer is ${answer}.\n`,
  ]
  return pick(random, layouts)()
}

function shuffle<T>(list: T[], random: Prng): T[] {
  for (let i = list.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    ;[list[i], list[j]] = [list[j]!, list[i]!]
  }
  return list
}

/** JSON lines in store-only zstd frames of about 256 kB each. */
function packLines(records: readonly MathRecord[]): Uint8Array {
  const frames: Uint8Array[] = []
  let lines = ''
  for (const record of records) {
    lines += `${JSON.stringify(record)}\n`
    if (lines.length < frameBytes) continue
    frames.push(zstdStoreFrame(new TextEncoder().encode(lines)))
    lines = ''
  }
  if (lines !== '') frames.push(zstdStoreFrame(new TextEncoder().encode(lines)))
  return concat(frames)
}

/** The shards of the math source: two for training, one for the probe. */
export function mathShards(): ShardFile[] {
  const { train, validation } = composeMath()
  const half = Math.ceil(train.length / 2)
  return [
    { path: 'math/train/shard-00000.jsonl.zst', bytes: packLines(train.slice(0, half)) },
    { path: 'math/train/shard-00001.jsonl.zst', bytes: packLines(train.slice(half)) },
    { path: 'math/validation/shard-00000.jsonl.zst', bytes: packLines(validation) },
  ]
}
