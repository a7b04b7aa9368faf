import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Evaluator } from '../../kernel/evaluator/evaluator.js'
import type { MimeBundle } from '../../kernel/evaluator/types.js'
import { runCell, sleep } from './evaluator-support.js'

let cwd: string
let evaluator: Evaluator

beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'lab-rich-'))
  evaluator = await Evaluator.start({
    cwd,
    prelude: 'declare const answer: number; const doubled = answer * 2',
    globals: { answer: 21 },
  })
})
afterAll(async () => {
  await evaluator.dispose()
  rmSync(cwd, { recursive: true, force: true })
})

async function bundleOf(code: string): Promise<MimeBundle> {
  const { result, failure } = await runCell(evaluator, code)
  if (result.status !== 'ok' || !result.value) throw new Error(failure || `no value: ${JSON.stringify(result)}`)
  return result.value
}

describe('values of the library', () => {
  test('a tensor shows its type, its numbers and a heat map; the library needs no import', async () => {
    const bundle = await bundleOf('const w = tensor([[1, -2], [0.5, 4]]); w.add(w)')
    expect(bundle['text/plain']).toBe('Tensor f32 [2, 2]\n[[ 2, -4],\n [ 1,  8]]')
    expect(bundle['image/svg+xml']).toMatch(/^<svg .*<rect .*<\/svg>$/)
    expect(bundle['image/svg+xml']).toContain('rgb(213,94,0)')
    expect(bundle['text/html']).toContain('Tensor f32 [2, 2]')
  })

  test('a tensor without values, one that is too large, a scalar', async () => {
    expect((await bundleOf('input("x", [2])'))['text/plain']).toContain('not computed')
    expect((await bundleOf('zeros([4096, 4096])'))['text/plain']).toContain('take a part of it')
    expect(await bundleOf('tensor(3)')).toEqual({ 'text/plain': 'Tensor f32 [] 3' })
  })

  test('a bf16 tensor of storage bits is drawn by its values', async () => {
    const bundle = await bundleOf('tensor([[1, 2]]).cast("bf16")')
    expect(bundle['text/plain']).toContain('bf16')
    expect(bundle['image/svg+xml']).toContain('at most 2.000')
  })

  test('layer maps and figures are drawings with text', async () => {
    const config = JSON.stringify({
      model_type: 'llama',
      hidden_size: 8,
      intermediate_size: 16,
      num_hidden_layers: 2,
      num_attention_heads: 2,
      num_key_value_heads: 2,
      vocab_size: 32,
      max_position_embeddings: 64,
      rms_norm_eps: 1e-5,
      hidden_act: 'silu',
    })
    const map = await bundleOf(`const config = parseModelConfig(JSON.parse('${config}')); layerMap(config)`)
    expect(map['text/plain']).toContain('layer  source')
    expect(map['image/svg+xml']).toContain('<svg')
    const figure = await bundleOf(
      `const series = { runs: [] }; const drawn = layerMapFigure({ blocks: [], totalParameters: 0, trainableParameters: 0 }); drawn`,
    )
    expect(figure['image/svg+xml']).toContain('<svg')
    expect(figure['text/plain']).toContain('Layer map')
  })

  test('what is shown after a tensor stays after it', async () => {
    const ran = await runCell(evaluator, 'display(tensor([1, 2])); display("second"); "result"')
    const shown = ran.outputs.map(output => (output.kind === 'display' ? output.data['text/plain'] : output.kind))
    expect(shown).toEqual(['Tensor f32 [2]\n[1, 2]', "'second'"])
    expect(ran.text).toBe("'result'")
  })

  test('names of the library give way to those of the user', async () => {
    expect((await runCell(evaluator, 'const scalar = "mine"; scalar.length')).text).toBe('4')
    expect((await runCell(evaluator, 'scalar.toUpperCase()')).text).toBe("'MINE'")
    expect(
      (
        await runCell(
          evaluator,
          'import { scalar as theirs, Tensor as Kind } from "llama-pro-lab"; theirs(2) instanceof Tensor && Kind === Tensor',
        )
      ).text,
    ).toBe('true')
    expect((await runCell(evaluator, 'tensor("a")')).failure).toContain('TS2345')
  })
})

describe('other values', () => {
  test('a table is HTML and aligned text, cut at twenty rows', async () => {
    const bundle = await bundleOf(
      'import * as aq from "arquero"; aq.table({ run: Array.from({ length: 30 }, (_, i) => i), name: Array(30).fill("x".repeat(60)) })',
    )
    expect(bundle['text/html']).toMatch(/^<table>.*30 rows x 2 columns, the first 20 shown/s)
    expect(String(bundle['text/plain']).split('\n')).toHaveLength(22)
    expect(bundle['text/plain']).toContain('…')
  })

  test('errors, typed arrays, maps, long and deep things stay short', async () => {
    expect((await bundleOf('new TypeError("shown")'))['text/plain']).toMatch(/^TypeError: shown\n {4}at In\[\d+\]:1:1$/)
    expect((await bundleOf('new Float32Array(1e6)'))['text/plain']).toMatch(/999950 more items/)
    expect((await bundleOf('new Map([["a", { b: 1 }]])'))['text/plain']).toBe("Map(1) { 'a' => { b: 1 } }")
    expect(String((await bundleOf('"x".repeat(1e6)'))['text/plain']).length).toBeLessThan(20_000)
  })

  test('an object says itself what it looks like', async () => {
    expect(await bundleOf('({ [Symbol.for("Jupyter.display")]: async () => ({ "text/html": "<i>me</i>" }) })')).toEqual(
      {
        'text/html': '<i>me</i>',
        'text/plain': '<i>me</i>',
      },
    )
    expect((await runCell(evaluator, '({ [Symbol.for("Jupyter.display")]: () => 1 })')).failure).toContain(
      'must return a MIME bundle',
    )
  })

  test('images by their first bytes', async () => {
    const ran = await runCell(
      evaluator,
      'display.image(new Uint8Array([0x89, 0x50])); display.image(new Uint8Array([1]))',
    )
    expect(ran.outputs).toMatchObject([{ kind: 'display', data: { 'image/png': 'iVA=' } }])
    expect(ran.failure).toContain('expected the bytes of a PNG')
  })
})

describe('the evaluator itself', () => {
  test('the prelude and its globals are there, uncounted', async () => {
    expect((await runCell(evaluator, 'doubled')).text).toBe('42')
  })

  test('there is one at a time', async () => {
    await expect(Evaluator.start({ cwd })).rejects.toThrow('dispose of the other one')
  })

  test('two hundred cells cost little memory each', async () => {
    const { setFlagsFromString } = await import('node:v8')
    const { runInNewContext } = await import('node:vm')
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const run = async (from: number, to: number) => {
      for (let i = from; i < to; i++)
        await runCell(
          evaluator,
          `const big = new Float64Array(1e5).fill(${i}); function same() { return ${i} }; console.log(big.length); big`,
        )
      // Array buffers are swept beside the program and counted at the next collection.
      for (let i = 0; i < 3; i++) {
        collect()
        await sleep(30)
      }
      return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers
    }
    const before = await run(0, 20)
    const after = await run(20, 200)
    // A cell that kept its 800 kB array would add 144 MB.
    expect((after - before) / 180).toBeLessThan(100_000)
  })
})
