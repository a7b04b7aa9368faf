import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const folder = fileURLToPath(new URL('../../datasets/demo/general', import.meta.url))
const texts = readdirSync(folder).map(name => ({ name, text: readFileSync(`${folder}/${name}`, 'utf8') }))

describe('the general probe', () => {
  it('is large and varied enough to measure forgetting on', () => {
    expect(texts.length).toBeGreaterThanOrEqual(10)
    expect(texts.every(({ name }) => name.endsWith('.txt'))).toBe(true)
    expect(texts.reduce((bytes, { text }) => bytes + Buffer.byteLength(text), 0)).toBeGreaterThanOrEqual(44_000)
    const words = new Set(texts.flatMap(({ text }) => text.toLowerCase().match(/[a-z]+/g) ?? []))
    expect(words.size).toBeGreaterThan(1_800)
  })

  it.each(texts)('$name is a title and paragraphs of plain prose', ({ text }) => {
    const [title, blank, ...body] = text.split('\n')
    expect(title).toMatch(/^[A-Z][A-Za-z' ]{5,60}$/)
    expect(blank).toBe('')
    expect(text.endsWith('.\n') || text.endsWith('Margaret\n')).toBe(true)
    expect(text).toMatch(/^[\x20-\x7e\n]+$/)
    expect(Math.max(...body.map(line => line.length))).toBeLessThan(1_500)
    expect(text).not.toMatch(/["{}[\]<>=*#_|\\/]| {2}|\n\n\n/)
  })

  it('repeats no sentence', () => {
    const sentences = texts.flatMap(({ text }) => text.split(/(?<=[.?!])\s+/).filter(sentence => sentence.length > 30))
    expect(new Set(sentences).size).toBe(sentences.length)
  })
})
