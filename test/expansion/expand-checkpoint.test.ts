import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js'
import { readTensor } from '../../src/checkpoint/read.js'
import type { TensorSource } from '../../src/checkpoint/tensor-source.js'
import { expandCheckpoint } from '../../src/expansion/expand-checkpoint.js'
import { expandParameters } from '../../src/expansion/expand-parameters.js'
import { planExpansion } from '../../src/expansion/plan.js'
import { readProvenance } from '../../src/expansion/provenance.js'
import { parseModelConfig } from '../../src/model/config.js'
import { layerOf, parameterShapes } from '../../src/model/parameters.js'
import { llama2Json } from '../support/configs.js'
import { fixtureExpected, fixtureModel, fixtureNames, hasFixtures } from '../support/fixtures.js'
import { temporaryDirectory } from '../support/temporary.js'
import { writeTinyModel } from '../support/tiny-checkpoint.js'

const dir = temporaryDirectory('expand')
let counter = 0
const fresh = () => join(dir, `d${counter++}`)
const hash = async (source: TensorSource) =>
  createHash('sha256')
    .update(await readTensor(source))
    .digest('hex')

describe('expandParameters', () => {
  const config = parseModelConfig(llama2Json)
  const names = [...parameterShapes(config).keys()]

  it('renumbers by exact block and zeroes the two projections of new blocks only', () => {
    const out = expandParameters(names, planExpansion(config, { groups: 8 }))
    expect(out.get('model.layers.4.self_attn.q_proj.weight')).toEqual({
      from: 'model.layers.3.self_attn.q_proj.weight',
      zero: false,
    })
    expect(out.get('model.layers.4.self_attn.o_proj.weight')).toEqual({
      from: 'model.layers.3.self_attn.o_proj.weight',
      zero: true,
    })
    expect(out.get('model.layers.39.mlp.down_proj.weight')).toEqual({
      from: 'model.layers.31.mlp.down_proj.weight',
      zero: true,
    })
    expect(out.get('model.layers.38.mlp.down_proj.weight')).toEqual({
      from: 'model.layers.31.mlp.down_proj.weight',
      zero: false,
    })
    expect([...out.values()].filter(p => p.zero)).toHaveLength(16)
    expect([...out.keys()]).toEqual([...parameterShapes({ ...config, numHiddenLayers: 40 }).keys()])
  })

  it('gives every name of the deeper model once, and takes every name of the given one', () => {
    const at = fc.uniqueArray(fc.integer({ min: 0, max: 32 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(at, positions => {
        const plan = planExpansion(config, { at: positions })
        const out = expandParameters(names, plan)
        expect([...out.keys()]).toEqual([
          ...parameterShapes({ ...config, numHiddenLayers: plan.numHiddenLayers }).keys(),
        ])
        expect(new Set([...out.values()].map(p => p.from))).toEqual(new Set(names))
        for (const [path, { from, zero }] of out) {
          const layer = layerOf(path)
          if (layer === null) expect(from).toBe(path)
          else expect(layerOf(from)).toBe(plan.layers[layer]!.sourceLayer)
          if (zero) expect(plan.layers[layer!]!.isNew).toBe(true)
        }
      }),
      { numRuns: 30 },
    )
  })

  it('carries other tensors along and refuses what it cannot place or zero', () => {
    const plan = planExpansion({ numHiddenLayers: 1 }, { groups: 1 })
    const block = ['self_attn.o_proj.weight', 'mlp.down_proj.weight', 'self_attn.rotary_emb.inv_freq'].map(
      n => `model.layers.0.${n}`,
    )
    const out = expandParameters(['a', ...block, 'b.layers.0.x'], plan)
    expect(out.get('model.layers.1.self_attn.rotary_emb.inv_freq')).toEqual({ from: block[2], zero: false })
    expect(out.get('b.layers.0.x')).toEqual({ from: 'b.layers.0.x', zero: false })
    expect(() => expandParameters([...block, 'model.layers.1.x'], plan)).toThrow(
      /"model\.layers\.1\.x" belongs to block 1/,
    )
    expect(() => expandParameters(block.slice(1), plan)).toThrow(/no "self_attn\.o_proj\.weight"/)
    expect(() => expandParameters(['model.norm.weight'], plan)).toThrow(/no tensor of block 0/)
  })
})

describe.skipIf(!hasFixtures)('expandCheckpoint', () => {
  it.each(fixtureNames)('%s: inherited bytes are equal, new projections zero, the output opens', async name => {
    const base = await openCheckpoint(fixtureModel(name))
    const out = fresh()
    const result = await expandCheckpoint(base.dir, out, planExpansion(base.config, { groups: 2 }), {
      maxShardBytes: 300_000,
    })
    expect(result.files.sort()).toEqual(readdirSync(out).sort())
    expect(result.files).toContain('generation_config.json')
    const expanded = await openCheckpoint(out)
    expect(expanded.config).toEqual(parseModelConfig(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8')), ''))
    const provenance = readProvenance(expanded.config)!
    expect(provenance.layers.map(b => b.index)).toEqual(fixtureExpected(name)['expand_2x1_new_layers'])
    // at the first step exactly the zeroed tensors have a gradient
    expect(provenance.layers.flatMap(b => b.zeroed).sort()).toEqual(fixtureExpected(name).first_step_nonzero_grads)
    const origin = expandParameters(base.tensors.keys(), planExpansion(base.config, { groups: 2 }))
    expect([...expanded.tensors.keys()]).toEqual([...origin.keys()])
    for (const [path, { from, zero }] of origin) {
      const [source, target] = [base.tensors.get(from)!, expanded.tensors.get(path)!]
      expect(target.dtype).toBe(source.dtype)
      if (zero) expect((await readTensor(target)).every(byte => byte === 0)).toBe(true)
      else expect(await hash(target)).toBe(await hash(source))
    }
    // no two tensors share bytes
    const places = new Set([...expanded.tensors.values()].map(t => `${t.path}@${t.byteOffset}`))
    expect(places.size).toBe(expanded.tensors.size)
  })
})

describe('expandCheckpoint', () => {
  it('copies companions, reports progress, and expands an expanded model', async () => {
    const from = fresh()
    const config = await writeTinyModel(from, { tie_word_embeddings: true })
    writeFileSync(join(from, 'tokenizer.json'), '{}')
    const out = fresh()
    const seen: number[] = []
    await expandCheckpoint(from, out, planExpansion(config, { groups: 2 }), {
      onProgress: ({ bytesDone, bytesTotal }) => seen.push(bytesDone / bytesTotal),
    })
    expect(seen.at(-1)).toBe(1)
    expect(existsSync(join(out, 'tokenizer.json'))).toBe(true)
    const first = await openCheckpoint(out)
    const again = fresh()
    const { provenance, config: deeper } = await expandCheckpoint(
      out,
      again,
      planExpansion(first.config, { groups: 6 }),
      { keepEarlier: true },
    )
    expect(deeper.numHiddenLayers).toBe(12)
    expect(provenance).toMatchObject({ baseNumHiddenLayers: 4 })
    expect(provenance.layers).toHaveLength(8)
    await openCheckpoint(again)
  })

  it('refuses to overwrite, to write into its input, and leaves nothing when aborted', async () => {
    const from = fresh()
    const config = await writeTinyModel(from)
    const plan = planExpansion(config, { groups: 2 })
    const out = fresh()
    await expandCheckpoint(from, out, plan)
    await expect(expandCheckpoint(from, out, plan)).rejects.toEqual(expect.objectContaining({ code: 'OUTPUT_EXISTS' }))
    await expandCheckpoint(from, out, plan, { overwrite: true })
    await expect(expandCheckpoint(from, from, plan, { overwrite: true })).rejects.toThrow(/outside/)
    await expect(expandCheckpoint(from, join(from, 'sub'), plan)).rejects.toThrow(/outside/)
    await expect(expandCheckpoint(from, dir, plan, { overwrite: true })).rejects.toThrow(/outside/)
    const other = fresh()
    await expect(expandCheckpoint(from, other, plan, { signal: AbortSignal.abort(new Error('stop')) })).rejects.toThrow(
      'stop',
    )
    await expect(expandCheckpoint(from, other, planExpansion({ numHiddenLayers: 8 }, { groups: 2 }))).rejects.toThrow(
      /8 blocks/,
    )
    expect(existsSync(other)).toBe(false)
    expect(readdirSync(dir).filter(name => name.startsWith('.'))).toEqual([])
  })
})
