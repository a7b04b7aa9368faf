import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { LayerMap, Provenance } from '../../src/index.js'
import { temporaryDirectory } from '../support/temporary.js'
import { cli, cliJson, cliWith } from './harness.js'
import { writeTinyBase } from './tiny-run.js'

const dir = temporaryDirectory('cli-models')
const base = join(dir, 'base')
const expanded = join(dir, 'expanded')

interface Inspection {
  parameters: { total: number; parts: Record<string, number> }
  files: { name: string; bytes: number }[]
  layerMap: LayerMap
  provenance: Provenance | null
  tokenizer: { vocabSize: number }
}

beforeAll(async () => {
  await writeTinyBase(base)
  expect((await cli('expand', base, expanded, '--groups', '2')).code).toBe(0)
})

describe('inspect', () => {
  test('parts add up to the total', async () => {
    const { value } = await cliJson<Inspection>('inspect', base)
    const { total, parts } = value.parameters
    expect(Object.values(parts).reduce((sum, count) => sum + count, 0)).toBe(total)
    expect(value.layerMap.totalParameters).toBe(total)
    expect(value.files).toEqual([{ name: 'model.safetensors', bytes: expect.any(Number) }])
    expect(value.tokenizer.vocabSize).toBe(300)
    expect(value.provenance).toBeNull()
  })

  test('an expanded model shows which blocks are new', async () => {
    const { value } = await cliJson<Inspection>('inspect', expanded)
    expect(value.provenance!.layers.map(block => block.index)).toEqual([1, 3])
    const { stdout } = await cli('inspect', expanded)
    expect(stdout).toContain('Blocks, 2 of them new')
    expect(stdout).toMatch(/^ +1 +0 +new +trainable/m)
  })
})

describe('expand', () => {
  test('tells the plan, both layer maps and what was written', async () => {
    const to = join(dir, 'at')
    const { stdout, code } = await cli('expand', base, to, '--at', '2')
    expect(code).toBe(0)
    expect(stdout.match(/^(Plan|Blocks before|Blocks after|Written)$/gm)).toHaveLength(4)
    expect(stdout).toContain('2 -> 3 blocks, at; new: 2')
    expect(readdirSync(to)).toContain('tokenizer.json')
  })

  test('JSON: the plan and both maps on stdout, the report on stderr', async () => {
    const { value, stderr } = await cliJson<{ newLayers: number[]; before: LayerMap; after: LayerMap }>(
      ...['expand', base, join(dir, 'json'), '--groups', '1', '--placement', 'suffix'],
    )
    expect(value.newLayers).toEqual([2])
    expect(value.after.rows).toHaveLength(value.before.rows.length + 1)
    expect(stderr).toContain('Blocks after')
  })

  test('an existing model is replaced only when asked', async () => {
    const refused = await cli('expand', base, expanded, '--groups', '2')
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('(--overwrite)') })
    expect((await cli('expand', base, expanded, '--groups', '2', '--overwrite')).code).toBe(0)
  })

  test('an impossible plan and a mistyped placement are exit code 2', async () => {
    expect(await cli('expand', base, join(dir, 'x'), '--groups', '5')).toMatchObject({ code: 2 })
    const { code, stderr } = await cli('expand', base, join(dir, 'x'), '--groups', '1', '--placement', 'sufix')
    expect(code).toBe(2)
    expect(stderr).toContain('Did you mean "suffix"?')
  })

  test('an aborted one leaves nothing and says so', async () => {
    const { code, stderr } = await cliWith(
      { signal: AbortSignal.abort() },
      'expand',
      base,
      join(dir, 'stopped'),
      '--groups',
      '2',
    )
    expect(code).toBe(130)
    expect(stderr).toBe('interrupted\n')
    expect(existsSync(join(dir, 'stopped'))).toBe(false)
  })

  test('on a terminal: the same report, and no trace of the bar', async () => {
    const { stdout } = await cliWith(
      { columns: 100, env: { NO_COLOR: '1' } },
      'expand',
      base,
      join(dir, 'tty'),
      '--groups',
      '2',
    )
    expect(stdout).toContain('\nBlocks after\n')
    expect(stdout).toContain('\u001b[?25h')
  })
})

describe('eval', () => {
  const probe = join(dir, 'probe.jsonl')
  beforeAll(() => writeFileSync(probe, '{"text":"The river and the road."}\n'))

  test('rows longer than the context are refused, a folder is told how to be named', async () => {
    const long = await cli('eval', base, '--probe', `p=${probe}`, '--seq-len', '129', '--device', 'reference')
    expect(long).toMatchObject({ code: 2, stderr: expect.stringContaining("longer than the model's 128 positions") })
    const folder = await cli('eval', base, '--probe', `p=${dir}`, '--device', 'reference')
    expect(folder).toMatchObject({ code: 1, stderr: expect.stringContaining('that is a folder') })
  })
})

describe('verify', () => {
  const device = ['--device', 'reference']

  test('an expansion is identical', async () => {
    const { value, code } = await cliJson('verify', base, expanded, ...device, '--prompt', 'The river', 'salt')
    expect(code).toBe(0)
    expect(value).toMatchObject({ identical: true, maxAbsDiff: 0, newLayers: [1, 3], reasons: [] })
  })

  test('another model is not: exit code 1 with reasons', async () => {
    const other = join(dir, 'other')
    await writeTinyBase(other, { rms_norm_eps: 0.1 })
    const { code, stdout } = await cli('verify', other, expanded, ...device, '--prompt', 'The river')
    expect(code).toBe(1)
    expect(stdout).toContain('not identical')
    expect(stdout).toMatch(/^ {2}- \S/m)
  })

  test('models of other shapes: nothing was compared, and the document says so', async () => {
    const wide = join(dir, 'wide')
    await writeTinyBase(wide, { hidden_size: 32 })
    const { value, code } = await cliJson('verify', base, wide, ...device)
    expect(code).toBe(1)
    expect(value).toMatchObject({ identical: false, maxAbsDiff: null, positions: 0, nonFinite: 0 })
    expect(value['reasons']).toEqual(['hiddenSize is 16 in the base and 32 in the expanded model', expect.any(String)])
  })
})
