/** Runs that are killed and resumed equal one that was not, bit for bit. Every run is a process of its own. */
import { existsSync, mkdirSync, readdirSync, readFileSync, watch } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { type MetricRecord, readMetrics } from '../../src/train/metrics.js'
import { checkpointSteps } from '../../src/train/run-directory.js'
import { type ChildResult, spawnTrain } from '../support/spawn-train.js'
import { temporaryDirectory } from '../support/temporary.js'
import { comparable, writeTinyRun } from '../support/tiny-run.js'
import type { ChildRequest, DeathPoint } from '../support/train-child.js'

const dir = temporaryDirectory('resume')

function recordsOf(out: string): MetricRecord[] {
  return readMetrics(join(out, 'metrics.jsonl'))
}

function modelFiles(out: string): Map<string, string> {
  const names = readdirSync(join(out, 'model')).sort()
  return new Map(names.map(name => [name, readFileSync(join(out, 'model', name)).toString('base64')]))
}

/** Everything that must be equal, and nothing of the dead runs left. */
function expectSameRun(out: string, unbroken: string): void {
  const [ours, theirs] = [recordsOf(out), recordsOf(unbroken)]
  expect(comparable(ours)).toEqual(comparable(theirs))
  expect(ours.map(record => record.seq)).toEqual(ours.map((_, i) => i))
  const steps = ours.flatMap(record => (record.kind === 'train' ? [record.step] : []))
  expect(steps).toEqual(steps.map((_, i) => i + 1))
  const seconds = ours.map(record => record.seconds)
  expect(seconds).toEqual([...seconds].sort((a, b) => a - b))
  expect(modelFiles(out)).toEqual(modelFiles(unbroken))
  expect(checkpointSteps(out)).toEqual(checkpointSteps(unbroken))
  expect(readdirSync(out).filter(name => name.startsWith('.'))).toEqual([])
  expect(readdirSync(join(out, 'checkpoints')).filter(name => name.startsWith('.'))).toEqual([])
}

function resumesOf(out: string): number[] {
  return recordsOf(out).flatMap(record => (record.kind === 'event' && record.name === 'resumed' ? [record.step] : []))
}

async function finish(request: ChildRequest): Promise<void> {
  const { code, stderr, result } = await spawnTrain(request)
  expect(stderr).toBe('')
  expect(code).toBe(0)
  expect(result?.status).toBe('done')
}

async function killed(request: ChildRequest): Promise<void> {
  const { signal, stderr } = await spawnTrain(request)
  expect(signal, stderr).toBe('SIGKILL')
}

describe.each([
  { title: 'one micro-batch a step', changes: {}, threads: 1 },
  {
    title: 'two micro-batches a step, two threads',
    changes: { batch: { microBatch: 2, gradAccumSteps: 2 } },
    threads: 2,
  },
])('a run with $title', ({ title, changes, threads }) => {
  const root = join(dir, title.replaceAll(' ', '-'))
  let recipe: Record<string, unknown>
  const unbroken = join(root, 'unbroken')
  beforeAll(async () => {
    recipe = await writeTinyRun(root, changes)
    await finish({ recipe, out: unbroken, threads })
  })

  it('is not trivial: it learns, and what it writes depends on the data', () => {
    const losses = recordsOf(unbroken).flatMap(r => (r.kind === 'train' ? [r.lossNats] : []))
    expect(losses).toHaveLength(10)
    expect(new Set(losses).size).toBe(10)
    expect(checkpointSteps(unbroken)).toEqual([9, 10])
  })

  const points: [string, DeathPoint, number | null][] = [
    ['before the first checkpoint', { at: 'record', step: 2 }, null],
    ['between two checkpoints', { at: 'record', step: 5 }, 3],
    ['in the middle of a line of metrics.jsonl', { at: 'torn-line', step: 8 }, 6],
    ['at the first byte of the first checkpoint', { at: 'checkpoint-write', step: 3, writes: 0 }, null],
    ['in the middle of writing a checkpoint', { at: 'checkpoint-write', step: 6, writes: 5 }, 3],
    ['before a whole checkpoint gets its name', { at: 'before-rename', step: 6 }, 3],
    ['right after a checkpoint got its name', { at: 'after-rename', step: 6 }, 6],
    ['right after the last checkpoint got its name', { at: 'after-rename', step: 10 }, 10],
    ['in the middle of writing the result', { at: 'result-write', writes: 3 }, 10],
  ]
  // the second variant covers what accumulation and threads could change, not the file system once more
  const chosen = threads === 1 ? points : points.filter(([, { at }]) => at === 'record' || at === 'after-rename')
  it.each(chosen)('killed %s continues exactly', async (name, dieAt, resumedAt) => {
    const out = join(root, name.replaceAll(' ', '-'))
    await killed({ recipe, out, threads, dieAt })
    expect(existsSync(join(out, 'model'))).toBe(false)
    await finish({ recipe, out, threads, resume: true })
    expect(resumesOf(out)).toEqual(resumedAt === null ? [] : [resumedAt])
    expectSameRun(out, unbroken)
  })

  it('killed twice in a row continues exactly', async () => {
    const out = join(root, 'twice')
    await killed({ recipe, out, threads, dieAt: { at: 'record', step: 4 } })
    await killed({ recipe, out, threads, resume: true, dieAt: { at: 'record', step: 8 } })
    await finish({ recipe, out, threads, resume: true })
    expect(resumesOf(out)).toEqual([3, 6])
    expectSameRun(out, unbroken)
  })

  it('interrupted twice continues exactly', async () => {
    const out = join(root, 'interrupted')
    for (const [abortAt, resume] of [
      [2, false],
      [7, true],
    ] as const) {
      const { code, result } = await spawnTrain({ recipe, out, threads, resume, abortAt })
      expect({ code, status: result?.status, step: result?.step }).toEqual({
        code: 0,
        status: 'interrupted',
        step: abortAt,
      })
      expect(checkpointSteps(out).at(-1)).toBe(abortAt)
    }
    await finish({ recipe, out, threads, resume: true })
    expect(resumesOf(out)).toEqual([2, 7])
    // an interruption leaves a checkpoint where an unbroken run has none; the last two are the same
    expectSameRun(out, unbroken)
  })
})

describe('a run killed from outside', () => {
  it('whenever a checkpoint is being written, continues exactly', async () => {
    const root = join(dir, 'outside')
    // tensors of some megabytes, so that the write is long enough to be hit
    const recipe = await writeTinyRun(root, { steps: 4, checkpointEverySteps: 1 }, { hiddenSize: 256 })
    await finish({ recipe, out: join(root, 'unbroken') })
    const out = join(root, 'run')
    mkdirSync(join(out, 'checkpoints'), { recursive: true })
    let kills = 0
    for (let attempt = 0; attempt < 3; attempt++) {
      const { signal } = await killWhileWriting({ recipe, out, resume: attempt > 0 }, `.step-${attempt + 1}.tmp-`)
      if (signal === 'SIGKILL') kills++
    }
    expect(kills).toBe(3)
    await finish({ recipe, out, resume: true })
    expectSameRun(out, join(root, 'unbroken'))
  })
})

/** Kills the child as soon as a file whose name starts so appears among its checkpoints. */
async function killWhileWriting(request: ChildRequest, prefix: string): Promise<ChildResult> {
  let stop = () => {}
  const result = await spawnTrain(request, child => {
    const watcher = watch(join(request.out, 'checkpoints'), (_event, name) => {
      if (name?.startsWith(prefix)) child.kill('SIGKILL')
    })
    stop = () => watcher.close()
  })
  stop()
  return result
}
