import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js'
import { toInt32 } from '../../src/checkpoint/convert.js'
import {
  readChunks,
  readFloat32,
  readSafetensors,
  readTensor,
  sameBytes,
  tensorSource,
} from '../../src/checkpoint/read.js'
import { saveModel } from '../../src/checkpoint/save.js'
import { planShards, shardNames, writeShards } from '../../src/checkpoint/shards.js'
import { type TensorEntry, writeSafetensors } from '../../src/checkpoint/write.js'
import { parameterShapes } from '../../src/model/parameters.js'
import { tinyJson } from '../support/configs.js'
import { fixtureModel, fixtureNames, hasFixtures } from '../support/fixtures.js'
import { shared } from '../support/shared.js'
import { temporaryDirectory } from '../support/temporary.js'
import { randomEntries, writeTinyModel } from '../support/tiny-checkpoint.js'

const dir = temporaryDirectory('checkpoint')
let counter = 0
const fresh = () => join(dir, `d${counter++}`)
const code = (name: string) => expect.objectContaining({ code: name })

const byte = (name: string, n: number): TensorEntry => ({
  name,
  dtype: 'U8',
  shape: [n],
  data: new Uint8Array(n).fill(n),
})

describe.skipIf(!hasFixtures)('checkpoints as transformers writes them', () => {
  it.each(fixtureNames)('%s opens with every parameter in place', async name => {
    const { config, tensors, unknownTensors } = await openCheckpoint(fixtureModel(name))
    expect([...tensors.keys()]).toEqual([...parameterShapes(config).keys()])
    expect(unknownTensors).toEqual([])
    const stored = { float32: 'F32', float16: 'F16', bfloat16: 'BF16' }[config.dtype]
    expect([...tensors.values()].every(source => source.dtype === stored)).toBe(true)
    const norm = await readFloat32(tensors.get('model.norm.weight')!)
    expect(norm.every(x => Number.isFinite(x) && Math.abs(x) < 10)).toBe(true)
  })

  it('reads 64-bit token ids', async () => {
    const file = await readSafetensors(shared('fixtures/llama-mha-untied/expected.safetensors'))
    const source = tensorSource(file, 'input_ids')
    expect(source.shape).toEqual([2, 24])
    expect(toInt32(await readTensor(source), source.dtype).every(id => id >= 0 && id < 320)).toBe(true)
    expect(() => tensorSource(file, 'logit')).toThrow(/Did you mean "logits"/)
  })

  it('reads the weights of a re-sharded copy as the same bytes', async () => {
    const base = await openCheckpoint(fixtureModel('llama-gqa-tied-sharded'))
    const out = fresh()
    const entries = [...base.tensors].map(([name, source]) => ({ name, ...source, data: source }))
    const written = await saveModel(out, {
      config: base.config,
      tensors: entries,
      companionsFrom: base.dir,
      maxShardBytes: 200_000,
    })
    expect(written.sort()).toEqual(readdirSync(out).sort())
    const copy = await openCheckpoint(out)
    expect(copy.files).toHaveLength(5)
    for (const [name, source] of base.tensors) expect(await sameBytes(source, copy.tensors.get(name)!)).toBe(true)
    expect(readFileSync(join(out, 'generation_config.json'))).toEqual(
      readFileSync(join(base.dir, 'generation_config.json')),
    )
  })
})

describe('writeSafetensors', () => {
  it('takes bytes, zeros, functions, streams and places in other files', async () => {
    const first = join(fresh(), 'a.safetensors')
    await writeSafetensors(first, [byte('x', 5), byte('y', 3)])
    const x = tensorSource(await readSafetensors(first), 'x')
    async function* pieces() {
      yield Uint8Array.of(1, 2)
      yield Uint8Array.of(3)
    }
    const second = join(dir, 'b.safetensors')
    const progress: number[] = []
    await writeSafetensors(
      second,
      [
        { name: 'copy', dtype: 'U8', shape: [5], data: x },
        { name: 'zeros', dtype: 'F32', shape: [2, 600_000], data: 'zeros' },
        { name: 'stream', dtype: 'U8', shape: [3], data: pieces },
        { name: 'late', dtype: 'I8', shape: [2], data: () => Promise.resolve(Uint8Array.of(8, 9)) },
      ],
      { metadata: { made: 'here' }, onBytes: n => progress.push(n) },
    )
    const file = await readSafetensors(second)
    expect(file.metadata).toEqual({ made: 'here' })
    const read = async (name: string) => [...(await readTensor(tensorSource(file, name)))]
    expect(await read('copy')).toEqual([5, 5, 5, 5, 5])
    expect(await read('stream')).toEqual([1, 2, 3])
    expect(await read('late')).toEqual([8, 9])
    expect((await readTensor(tensorSource(file, 'zeros'))).every(b => b === 0)).toBe(true)
    expect(progress.reduce((a, b) => a + b)).toBe(4_800_000 + 10)
  })

  it('leaves nothing behind when data does not fit, a source is short or the write is aborted', async () => {
    const out = fresh()
    const path = join(out, 'a.safetensors')
    await expect(writeSafetensors(path, [{ ...byte('x', 3), shape: [4] }])).rejects.toEqual(code('SAFETENSORS_WRITE'))
    await expect(writeSafetensors(path, [{ ...byte('x', 3), shape: [2] }])).rejects.toEqual(code('SAFETENSORS_WRITE'))
    const short = { path: join(dir, 'short'), byteOffset: 0, byteLength: 9, dtype: 'U8' as const, shape: [9] }
    writeFileSync(short.path, 'abc')
    await expect(writeSafetensors(path, [{ name: 'x', dtype: 'U8', shape: [9], data: short }])).rejects.toEqual(
      code('SAFETENSORS_TRUNCATED'),
    )
    const signal = AbortSignal.abort(new Error('stop'))
    await expect(writeSafetensors(path, [byte('x', 3)], { signal })).rejects.toThrow('stop')
    expect(readdirSync(out)).toEqual([])
  })

  it('is read back in pieces of any size', async () => {
    const path = join(fresh(), 'a.safetensors')
    const data = Uint8Array.from({ length: 100 }, (_, i) => i)
    await writeSafetensors(path, [{ name: 'x', dtype: 'U8', shape: [100], data }])
    const source = tensorSource(await readSafetensors(path), 'x')
    for (const size of [1, 7, 100, 1000]) {
      const seen: number[] = []
      for await (const chunk of readChunks(source, size)) seen.push(...chunk)
      expect(seen).toEqual([...data])
    }
  })
})

describe('shards', () => {
  it('are cut before they grow beyond the limit', () => {
    const cut = (sizes: number[], max: number) =>
      planShards(
        sizes.map((n, i) => byte(`t${i}`, n)),
        max,
      ).map(s => s.map(e => e.shape[0]))
    expect(cut([4, 4, 4], 8)).toEqual([[4, 4], [4]])
    expect(cut([20, 1, 20], 8)).toEqual([[20], [1], [20]])
    expect(cut([1, 2], 100)).toEqual([[1, 2]])
    expect(() => cut([1], 0)).toThrow(/maxShardBytes/)
    expect(shardNames(12)[1]).toBe('model-00002-of-00012.safetensors')
  })

  it('say their total size and where each tensor is', async () => {
    const out = fresh()
    await writeShards(out, [byte('b', 4), byte('a', 4), byte('c', 4)], { maxShardBytes: 8 })
    expect(JSON.parse(readFileSync(join(out, 'model.safetensors.index.json'), 'utf8'))).toEqual({
      metadata: { total_size: 12 },
      weight_map: {
        a: 'model-00001-of-00002.safetensors',
        b: 'model-00001-of-00002.safetensors',
        c: 'model-00002-of-00002.safetensors',
      },
    })
  })
})

describe('openCheckpoint refuses', () => {
  async function sharded(): Promise<string> {
    const out = fresh()
    const config = await writeTinyModel(out)
    rmSync(join(out, 'model.safetensors'))
    await writeShards(out, randomEntries(config), { maxShardBytes: 2000 })
    await openCheckpoint(out)
    return out
  }
  const indexPath = (out: string) => join(out, 'model.safetensors.index.json')
  async function withIndex(change: (map: Record<string, string>) => void): Promise<string> {
    const out = await sharded()
    const index = JSON.parse(readFileSync(indexPath(out), 'utf8')) as { weight_map: Record<string, string> }
    change(index.weight_map)
    writeFileSync(indexPath(out), JSON.stringify(index))
    return out
  }

  it.each([
    '../outside.safetensors',
    '/etc/passwd',
    '..\\x.safetensors',
    'c:x.safetensors',
    'sub/x.safetensors',
    '..',
    'x.bin',
    '',
  ])('an index that points to %j', async target => {
    const out = await withIndex(map => {
      map['model.norm.weight'] = target
    })
    await expect(openCheckpoint(out)).rejects.toEqual(code('SHARD_INDEX'))
  })

  it('no order of an index: files come by name, whatever stands first', async () => {
    const out = await sharded()
    const { files } = await openCheckpoint(out)
    const index = JSON.parse(readFileSync(indexPath(out), 'utf8')) as { weight_map: Record<string, string> }
    const backwards = Object.fromEntries(Object.entries(index.weight_map).reverse())
    writeFileSync(indexPath(out), JSON.stringify({ weight_map: backwards }))
    const names = files.map(({ path }) => path)
    expect(names).toEqual([...names].sort())
    expect((await openCheckpoint(out)).files.map(({ path }) => path)).toEqual(names)
  })

  it('an index that names a missing file, a missing tensor, the wrong file or no tensor twice', async () => {
    const missing = await withIndex(map => {
      map['model.norm.weight'] = 'model-00009-of-00009.safetensors'
    })
    await expect(openCheckpoint(missing)).rejects.toEqual(code('SHARD_MISSING'))
    const extra = await withIndex(map => {
      map['model.extra'] = 'model-00001-of-00005.safetensors'
    })
    await expect(openCheckpoint(extra)).rejects.toThrow(/"model\.extra" is in .*, but it is not/)
    const absent = await withIndex(map => {
      delete map['model.norm.weight']
    })
    await expect(openCheckpoint(absent)).rejects.toThrow(/"model\.norm\.weight" is in no file/)
    const twice = await sharded()
    const text = readFileSync(indexPath(twice), 'utf8')
    writeFileSync(
      indexPath(twice),
      text.replace('"weight_map": {', '"weight_map": {"model.norm.weight": "x.safetensors",'),
    )
    await expect(openCheckpoint(twice)).rejects.toThrow(/occurs twice/)
    for (const bad of ['{', '[]', '{}', '{"weight_map":{}}', '{"weight_map":{"a":1}}', 'null']) {
      writeFileSync(indexPath(twice), bad)
      await expect(openCheckpoint(twice)).rejects.toEqual(code('SHARD_INDEX'))
    }
  })

  it('a pickle, with advice', async () => {
    const out = fresh()
    await writeTinyModel(out)
    renameSync(join(out, 'model.safetensors'), join(out, 'pytorch_model.bin'))
    await expect(openCheckpoint(out)).rejects.toThrow(/pickle.*save_pretrained/s)
    rmSync(join(out, 'pytorch_model.bin'))
    await expect(openCheckpoint(out)).rejects.toEqual(code('CHECKPOINT_WEIGHTS'))
  })

  it('no directory, no config, a broken config', async () => {
    await expect(openCheckpoint(join(dir, 'nowhere'))).rejects.toEqual(code('CHECKPOINT_CONFIG'))
    const out = fresh()
    mkdirSync(out)
    await expect(openCheckpoint(out)).rejects.toEqual(code('CHECKPOINT_CONFIG'))
    writeFileSync(join(out, 'config.json'), '{"model_type": ')
    await expect(openCheckpoint(out)).rejects.toThrow(/not valid JSON/)
  })

  it('missing parameters, wrong shapes, quantized weights and truncated files', async () => {
    const out = fresh()
    await writeTinyModel(out)
    const rewrite = (changes: Record<string, unknown>) =>
      writeFileSync(join(out, 'config.json'), JSON.stringify(tinyJson(changes)))
    rewrite({ num_hidden_layers: 5 })
    await expect(openCheckpoint(out)).rejects.toThrow(/9 parameters.*model\.layers\.4\./)
    rewrite({ intermediate_size: 10 })
    await expect(openCheckpoint(out)).rejects.toThrow(/gate_proj.*\[10, 8\].*\[12, 8\]/)
    rewrite({})
    const weights = join(out, 'model.safetensors')
    truncateSync(weights, (await readSafetensors(weights)).fileBytes - 4)
    await expect(openCheckpoint(out)).rejects.toEqual(code('SAFETENSORS_OUT_OF_BOUNDS'))
    const quantized = fresh()
    const config = await writeTinyModel(quantized)
    const entries = randomEntries(config).map(e =>
      e.name === 'model.norm.weight' ? { ...e, dtype: 'I8' as const, data: 'zeros' as const } : e,
    )
    await writeSafetensors(join(quantized, 'model.safetensors'), entries)
    await expect(openCheckpoint(quantized)).rejects.toEqual(code('CHECKPOINT_DTYPE'))
  })

  it('an untied head that is missing and a tied head that differs; it accepts an equal one', async () => {
    const config = tinyJson({ tie_word_embeddings: true })
    const missing = fresh()
    await writeTinyModel(missing, config)
    writeFileSync(join(missing, 'config.json'), JSON.stringify(tinyJson()))
    await expect(openCheckpoint(missing)).rejects.toThrow(/tie_word_embeddings/)
    const head = { name: 'lm_head.weight', dtype: 'F32', shape: [16, 8], data: 'zeros' } as const
    const differs = fresh()
    await writeTinyModel(differs, config, [head])
    await expect(openCheckpoint(differs)).rejects.toEqual(code('CHECKPOINT_TIED_HEAD'))
    const equal = fresh()
    const embeddings = await readSafetensors(join(missing, 'model.safetensors'))
    await writeTinyModel(equal, config, [{ ...head, data: embeddings.tensors.get('model.embed_tokens.weight')! }])
    expect((await openCheckpoint(equal)).unknownTensors).toEqual(['lm_head.weight'])
  })
})

describe('saveModel', () => {
  it('copies tokenizer, generation config and licence, and makes a generation config where there is none', async () => {
    const from = fresh()
    const config = await writeTinyModel(from)
    expect(JSON.parse(readFileSync(join(from, 'generation_config.json'), 'utf8'))).toMatchObject({
      bos_token_id: 1,
      eos_token_id: 2,
    })
    for (const name of ['tokenizer.json', 'LICENSE.txt', 'training_args.bin']) writeFileSync(join(from, name), name)
    const out = fresh()
    await saveModel(out, { config, tensors: randomEntries(config), companionsFrom: from })
    expect(readdirSync(out).sort()).toEqual([
      'LICENSE.txt',
      'config.json',
      'generation_config.json',
      'model.safetensors',
      'tokenizer.json',
    ])
  })

  it('copies a tokenizer file under the name that a model directory has for it, and what lies beside a usual name', async () => {
    const from = fresh()
    const config = await writeTinyModel(from)
    for (const name of ['tokenizer.json', 'own.json', 'own.json.gz', 'own.model', 'tokenizer_config.json'])
      writeFileSync(join(from, name), `"${name}"`)
    const save = async (file: string) => {
      const out = fresh()
      await saveModel(out, { config, tensors: randomEntries(config), companionsFrom: join(from, file) })
      return readdirSync(out)
        .filter(name => name.startsWith('tokenizer'))
        .map(name => `${name}: ${readFileSync(join(out, name), 'utf8')}`)
    }
    expect(await save('tokenizer.json')).toEqual([
      'tokenizer.json: "tokenizer.json"',
      'tokenizer_config.json: "tokenizer_config.json"',
    ])
    expect(await save('own.json')).toEqual(['tokenizer.json: "own.json"'])
    expect(await save('own.json.gz')).toEqual(['tokenizer.json.gz: "own.json.gz"'])
    expect(await save('own.model')).toEqual(['tokenizer.model: "own.model"'])
  })

  it('overwrites only when told, and never a directory that is not a model', async () => {
    const out = fresh()
    const config = await writeTinyModel(out)
    const tensors = randomEntries(config)
    await expect(saveModel(out, { config, tensors })).rejects.toEqual(code('OUTPUT_EXISTS'))
    writeFileSync(join(out, 'stale.txt'), '')
    await saveModel(out, { config, tensors, overwrite: true })
    expect(existsSync(join(out, 'stale.txt'))).toBe(false)
    const other = fresh()
    mkdirSync(other)
    writeFileSync(join(other, 'thesis.tex'), 'years of work')
    await expect(saveModel(other, { config, tensors, overwrite: true })).rejects.toEqual(code('OUTPUT_EXISTS'))
    expect(readdirSync(other)).toEqual(['thesis.tex'])
  })

  it('leaves the old model in place when it fails or is aborted', async () => {
    const out = fresh()
    const config = await writeTinyModel(out)
    const before = fresh()
    cpSync(out, before, { recursive: true })
    const tensors = randomEntries(config)
    const controller = new AbortController()
    const onProgress = () => controller.abort(new Error('enough'))
    await expect(
      saveModel(out, { config, tensors, overwrite: true, signal: controller.signal, onProgress }),
    ).rejects.toThrow('enough')
    await expect(saveModel(out, { config, tensors: tensors.slice(1), overwrite: true })).rejects.toThrow(/embed_tokens/)
    await expect(
      saveModel(out, { config, tensors: [{ ...tensors[0]!, shape: [8, 16] }, ...tensors.slice(1)], overwrite: true }),
    ).rejects.toEqual(code('SAVE'))
    for (const name of readdirSync(before))
      expect(readFileSync(join(out, name))).toEqual(readFileSync(join(before, name)))
    expect(readdirSync(dir).filter(name => name.startsWith('.'))).toEqual([])
  })
})
