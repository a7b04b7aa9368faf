import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Lab, type Lesson, lessonNames, lessonSvg, lessonText } from '../../src/index.js'
import { cellWidth } from '../../src/plot/text.js'
import { temporaryDirectory } from '../support/temporary.js'
import { writeTinyRun } from '../support/tiny-run.js'

const dir = temporaryDirectory('lessons')
let lab: Lab
/** Of the base on the probe, before anything was added. */
let baseLoss: number

beforeAll(async () => {
  // matrices large enough for every path to carry a gradient
  await writeTinyRun(dir, {}, { range: 0.2 })
  lab = new Lab({ cwd: dir, threads: 1 })
  await lab.load('base')
  lab.data(['one.jsonl', 'two.jsonl'])
  lab.probes({ general: 'probe.jsonl' })
  baseLoss = (await lab.probe(undefined, { maxTokens: 1024 }))[0]!.lossNats
})

afterAll(() => lab.dispose())

const table = ({ parts }: Lesson, n = 0): string[][] => {
  const tables = parts.filter(part => part.kind === 'table')
  return tables[n]!.rows
}

/** What the sweep of lesson 8 shows of its only probe, at each alpha. */
const sweep = ({ parts }: Lesson): readonly (number | null)[] => {
  const line = parts.find(part => part.kind === 'figure')!.figure.panels[0]!.series[0]!
  if (line.kind !== 'line') throw new Error('expected a line')
  return line.y
}

describe('before the expansion', () => {
  it('the ladder shows what a plan would give; lessons about new blocks say what to do first', async () => {
    lab.plan({ groups: 1 })
    const lesson = await lab.step('ladder')
    expect(lesson.parts[0]).toMatchObject({ text: expect.stringContaining('would get 1 new blocks') })
    const other = await lab.step('ladder', { expansion: { groups: 2, placement: 'suffix' } })
    expect(other.parts[0]).toMatchObject({ text: expect.stringContaining('would get 2 new blocks') })
    expect(lab.currentPlan).toMatchObject({ groups: 1, copies: 1 })
    await expect(lab.step('copy')).rejects.toThrow(/first await lab\.expand/)
    await expect(lab.step(7)).rejects.toThrow(/start one with lab\.train/)
    await expect(lab.step('laddr')).rejects.toThrow(/Did you mean "ladder"\?/)
    await expect(lab.step(10)).rejects.toThrow(/there are 1 to 9/)
  })
})

describe('after the expansion', () => {
  beforeAll(async () => {
    await lab.expand({ groups: 2 })
  })

  it('the copy differs from its source in the two zeroed matrices alone', async () => {
    const rows = table(await lab.step('copy'))
    expect(rows.filter(row => row[2] !== '0').map(row => row[0])).toEqual([
      'self_attn.o_proj.weight',
      'mlp.down_proj.weight',
    ])
  })

  it('a new block adds exactly nothing', async () => {
    const lesson = await lab.step('zero', { prompt: 'the river' })
    for (const [, before, , attention, , mlp, , after] of table(lesson)) {
      expect([Number(attention), Number(mlp)]).toEqual([0, 0])
      expect(after).toBe(before)
    }
    expect(JSON.stringify(lesson.parts.at(-1))).toContain('leave the block as they entered it')
  })

  it('the function is the same begun in two of five ways', async () => {
    const verdicts = Object.fromEntries(table(await lab.step('proof'), 1).map(([name, , verdict]) => [name, verdict]))
    expect(verdicts).toEqual({
      'o_proj and down_proj (the paper)': 'identical',
      'o_proj alone': 'another function',
      'down_proj alone': 'another function',
      'both norms': 'identical',
      'nothing (a plain copy)': 'another function',
    })
  })

  it('gradients open in the order that the zeros allow', async () => {
    const rows = table(await lab.step('first-step', { prompt: 'the river carries stones from a hill' }))
    const alive = (column: number) => rows.filter(row => Number(row[column]) > 0).map(row => row[0])
    expect(alive(1)).toEqual(['o_proj', 'down_proj'])
    expect(alive(2)).toHaveLength(9)
    // zeroed norms: the MLP never starts
    expect(alive(3)).toEqual(['input_layernorm'])
    for (const dead of ['gate_proj', 'up_proj', 'down_proj', 'post_attention_layernorm'])
      expect(alive(4)).not.toContain(dead)
  })

  it('leaves the live model as it was', async () => {
    expect((await lab.verify()).identical).toBe(true)
  })

  it('old blocks keep their checksums through training, and the gates lead back', async () => {
    await lab.train({ steps: 3, seqLen: 16, microBatch: 2, lr: 0.01 })
    const rows = table(await lab.step('freeze'))
    expect(rows.map(row => row.at(-1))).toEqual(['unchanged', 'new', 'unchanged', 'new', 'unchanged'])
    const lesson = await lab.step('contribution', { prompt: 'the river carries stones' })
    expect(JSON.stringify(lesson.parts[0])).toContain('those of the base on disk, bit for bit')
    const losses = sweep(lesson)
    // the loss of another model, read from disk
    expect(losses[0]).toBe(0)
    expect(losses.at(-1)).not.toBe(0)
    const [on] = await lab.probe(undefined, { maxTokens: 1024 })
    expect(losses.at(-1)).toBeCloseTo(on!.lossNats - baseLoss, 5)
  })

  it('every lesson has a picture and text that fit', async () => {
    for (const name of lessonNames) {
      const lesson = await lab.step(name)
      const svg = lessonSvg(lesson)
      expect(svg).toMatch(/^<svg [^>]*width="760"/)
      expect(svg.match(/<svg/g)!.length).toBe(svg.match(/<\/svg>/g)!.length)
      expect(svg).not.toMatch(/NaN|undefined|Infinity/)
      for (const line of lessonText(lesson, { width: 80 })) expect(cellWidth(line)).toBeLessThanOrEqual(80)
    }
  })

  it('a trained final norm shows: it is open and changed, and closed gates do not give the base', async () => {
    lab.unfreeze('norm')
    await lab.train({ steps: 3, seqLen: 16, microBatch: 2, lr: 0.01 })
    const frozen = await lab.step('freeze')
    expect(table(frozen).map(row => [row[1], row.at(-1)])).toEqual([
      ['locked', 'unchanged'],
      ['open', 'new'],
      ['locked', 'unchanged'],
      ['open', 'new'],
      ['open', 'changed'],
    ])
    expect(JSON.stringify(frozen.parts.at(-1))).toContain('No longer those of the base: outside.')
    const lesson = await lab.step('contribution', { prompt: 'the river carries stones' })
    expect(JSON.stringify(lesson.parts[0])).toMatch(/differ from those of the base on disk by up to 0\.\d/)
    lab.gate(0)
    const [off] = await lab.probe(undefined, { maxTokens: 1024 })
    lab.gate(1)
    expect(Math.abs(off!.lossNats - baseLoss)).toBeGreaterThan(1e-4)
    expect(sweep(lesson)[0]).toBeCloseTo(off!.lossNats - baseLoss, 5)
  })

  it('the quiz explains right and wrong answers', () => {
    expect(lab.answer(1, 'b')).toMatchObject({ right: true, text: expect.stringMatching(/^Right\./) })
    expect(lab.answer(2, 'A')).toMatchObject({ right: false, text: expect.stringMatching(/^No: c/) })
    expect(() => lab.answer(9, 'a')).toThrow(/questions 1 to 5/)
    expect(() => lab.answer(1, 'x')).toThrow(/a, b or c/)
  })
})
