/** Whole runs by each method, interrupted and resumed, and a comparison of them. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js'
import { readFloat32, readSafetensors, readTensor, tensorSource } from '../../src/checkpoint/read.js'
import { compareMethods } from '../../src/lab/compare-methods.js'
import { evaluateModel } from '../../src/lab/evaluate-model.js'
import type { RunEvents } from '../../src/lab/run-events.js'
import { runRecipe } from '../../src/lab/run-recipe.js'
import { type ProbeRecord, readMetrics } from '../../src/train/metrics.js'
import { parseRecipe } from '../../src/train/recipe.js'
import { Emitter } from '../../src/util/emitter.js'
import { temporaryDirectory } from '../support/temporary.js'
import { comparable, writeTinyRun } from '../support/tiny-run.js'

const dir = temporaryDirectory('methods')
const methods: Record<string, Record<string, unknown>> = {
  lora: { method: 'lora', lora: { rank: 4, alpha: 8 } },
  existing: { method: 'existing', existing: { blocks: 1 } },
  moe: { method: 'moe' },
}
let common: Record<string, unknown>
beforeAll(async () => {
  const { method, expansion, ...rest } = await writeTinyRun(join(dir, 'data'), { steps: 7 }, { range: 0.1 })
  common = rest
})

/** Runs a method; with `stopAt` it is interrupted after that step. */
async function run(
  method: string,
  out: string,
  { stopAt, resume = false }: { stopAt?: number; resume?: boolean } = {},
) {
  const stop = new AbortController()
  const events = new Emitter<RunEvents>()
  events.on('record', ({ kind, step }) => {
    if (kind === 'train' && step === stopAt) stop.abort()
  })
  const recipe = parseRecipe({ ...common, ...methods[method] })
  const path = join(dir, out)
  const result = await runRecipe({ recipe, out: path, resume, signal: stop.signal, events })
  return { result, path, records: readMetrics(join(path, 'metrics.jsonl')) }
}

async function bytesOf(model: string): Promise<Map<string, string>> {
  const { tensors } = await openCheckpoint(model)
  const entries = [...tensors].map(
    async ([path, source]) => [path, Buffer.from(await readTensor(source)).toString('base64')] as const,
  )
  return new Map(await Promise.all(entries))
}

describe.each(Object.keys(methods))('a run of method %s', method => {
  it('interrupted and resumed twice is the run without a break, to the last bit', async () => {
    const whole = await run(method, `${method}-whole`)
    await run(method, `${method}-parts`, { stopAt: 2 })
    await run(method, `${method}-parts`, { stopAt: 5, resume: true })
    const parts = await run(method, `${method}-parts`, { resume: true })
    expect(whole.result.status).toBe('done')
    expect(comparable(parts.records)).toEqual(comparable(whole.records))
    expect(await bytesOf(parts.result.modelDir!)).toEqual(await bytesOf(whole.result.modelDir!))
  })

  it('saves a plain model with the tensors of its base that scores as the run did', async () => {
    const { result, records } = await run(method, `${method}-saved`)
    const [base, saved] = [await bytesOf(String(common['model'])), await bytesOf(result.modelDir!)]
    expect([...saved.keys()]).toEqual([...base.keys()])
    const changed = [...saved].filter(([path, bytes]) => base.get(path) !== bytes).map(([path]) => path)
    const expected: Record<string, RegExp> = {
      lora: /layers\.\d+\..*_proj\.weight$/,
      existing: /layers\.1\./,
      moe: /down_proj\.weight$/,
    }
    expect(changed).toEqual([...base.keys()].filter(path => expected[method]!.test(path)))
    const [probe] = common['probes'] as { name: string; manifest: string; maxTokens: number }[]
    const { name, manifest, maxTokens } = probe!
    const [score] = await evaluateModel({
      model: result.modelDir!,
      probes: [{ name, path: manifest }],
      maxTokens,
      seqLen: 16,
    })
    const last = records.filter((record): record is ProbeRecord => record.kind === 'probe').at(-1)!
    expect(Math.abs(score!.lossNats - last.lossNats)).toBeLessThan(1e-5)
  })
})

describe('the records of a run', () => {
  it('of LoRA start at the base, and have its KL', async () => {
    const { records } = await run('lora', 'lora-records')
    const probes = records.filter((record): record is ProbeRecord => record.kind === 'probe')
    expect(probes[0]).toMatchObject({ step: 0, deltaNats: 0, klToBaseNats: 0 })
    expect(probes.at(-1)!.klToBaseNats).toBeGreaterThan(0)
  })

  it('of two experts count what the start itself has changed', async () => {
    const { records } = await run('moe', 'moe-records')
    const { records: other } = await run('existing', 'existing-records')
    const first = (all: typeof records) => all.find((record): record is ProbeRecord => record.kind === 'probe')!
    expect(first(records).deltaNats).not.toBe(0)
    expect(first(records).klToBaseNats).toBeGreaterThan(0)
    expect(first(records).lossNats - first(records).deltaNats).toBeCloseTo(first(other).lossNats, 9)
  })

  it('of LoRA lie beside an adapter in the form of PEFT', async () => {
    const { path } = await run('lora', 'lora-adapter')
    const config = JSON.parse(readFileSync(join(path, 'adapter/adapter_config.json'), 'utf8'))
    expect(config).toMatchObject({
      peft_type: 'LORA',
      r: 4,
      lora_alpha: 8,
      base_model_name_or_path: common['model'],
    })
    const file = await readSafetensors(join(path, 'adapter/adapter_model.safetensors'))
    expect(file.tensors.size).toBe(2 * 7 * 2)
    const factor = await readFloat32(tensorSource(file, 'base_model.model.model.layers.0.mlp.down_proj.lora_B.weight'))
    expect(factor.some(value => value !== 0)).toBe(true)
  })
})

describe('a comparison', () => {
  const names = ['expansion', 'full', 'lora', 'existing', 'moe', 'prefix', 'suffix']
  const recipe = () => parseRecipe({ ...common, steps: 3, method: 'expansion', expansion: { groups: 2 } })
  const options = () => ({ recipe: recipe(), methods: names, out: join(dir, 'comparison') })

  it('runs every method on the same tokens, and writes its table and figure', async () => {
    const { status, rows, files } = await compareMethods(options())
    expect(status).toBe('done')
    expect(rows.map(row => row.method)).toEqual(names)
    for (const row of rows) {
      expect(row).toMatchObject({ steps: 3, tokens: 3 * 2 * 16 })
      expect(row.probes[0]!.bitsPerByteBase).toBeCloseTo(rows[0]!.probes[0]!.bitsPerByteBase, 9)
    }
    const share = (method: string) => {
      const { trainableParameters, totalParameters } = rows.find(row => row.method === method)!
      return trainableParameters / totalParameters
    }
    expect(share('full')).toBe(1)
    expect(share('prefix')).toBe(share('expansion'))
    expect(files.map(file => file.slice(file.lastIndexOf('.')))).toEqual(['.txt', '.csv', '.json', '.svg', '.html'])
    for (const file of files) expect(statSync(file).size).toBeGreaterThan(100)
    expect(JSON.parse(readFileSync(join(dir, 'comparison/comparison.json'), 'utf8')).rows).toEqual(rows)
  })

  it('gives every method the same batches: the first loss of all that start as the base is the same', () => {
    const first = (method: string) => {
      const records = readMetrics(join(dir, 'comparison', method, 'metrics.jsonl'))
      const train = records.find(record => record.kind === 'train')!
      return train.kind === 'train' ? { loss: train.lossNats, mix: train.mix } : null
    }
    const full = first('full')!
    for (const method of names.filter(name => name !== 'moe')) {
      expect(first(method)!.mix).toEqual(full.mix)
      expect(first(method)!.loss, method).toBeCloseTo(full.loss, 5)
    }
  })

  it('resumed, does nothing again; begun anew, is refused', async () => {
    const skipped: string[] = []
    const again = await compareMethods({
      ...options(),
      resume: true,
      onSkipped: method => skipped.push(method),
      run: async () => {
        throw new Error('nothing is left to run')
      },
    })
    expect(skipped).toEqual(names)
    expect(again.rows).toHaveLength(names.length)
    await expect(compareMethods(options())).rejects.toMatchObject({ code: 'RUN_EXISTS' })
  })

  it('interrupted, says so; resumed, goes on where it was', async () => {
    const out = join(dir, 'interrupted')
    const stop = new AbortController()
    const done: string[] = []
    const first = await compareMethods({
      ...options(),
      out,
      methods: ['full', 'lora', 'existing'],
      signal: stop.signal,
      run: async (method, given) => {
        const events = new Emitter<RunEvents>()
        if (method === 'lora') events.on('record', ({ kind }) => kind === 'train' && stop.abort())
        done.push(method)
        return runRecipe({ ...given, events })
      },
    })
    expect(first).toMatchObject({ status: 'interrupted', files: [] })
    expect(first.rows.map(row => row.method)).toEqual(['full'])
    expect(done).toEqual(['full', 'lora'])
    expect(existsSync(join(out, 'comparison.txt'))).toBe(false)
    const second = await compareMethods({ ...options(), out, methods: ['full', 'lora', 'existing'], resume: true })
    expect(second.status).toBe('done')
    const whole = readMetrics(join(dir, 'comparison/lora/metrics.jsonl'))
    expect(comparable(readMetrics(join(out, 'lora/metrics.jsonl')))).toEqual(comparable(whole))
  })
})
