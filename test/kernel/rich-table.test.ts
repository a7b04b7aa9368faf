import { table } from 'arquero'
import { describe, expect, it } from 'vitest'
import { renderValue } from '../../kernel/evaluator/rich.js'
import { Sources } from '../../kernel/evaluator/sources.js'
import { hostileNames } from '../plot/support.js'

const bundleOf = async (columns: Record<string, unknown[]>) =>
  (await renderValue(table(columns), new Sources())) as { 'text/html': string; 'text/plain': string }

const headersOf = (html: string) => [...html.matchAll(/<th(?: [^>]*)?>(.*?)<\/th>/gs)].map(match => match[1])

describe('a table in a notebook', () => {
  it('keeps hostile names of columns and hostile cells inside their text', async () => {
    for (const name of hostileNames) {
      const { 'text/html': html } = await bundleOf({ [name]: [name], other: [1] })
      const tags = [...html.matchAll(/<\/?(\w*)/g)].map(match => match[1]!)
      expect(new Set(tags), name).toEqual(new Set(['table', 'thead', 'tbody', 'tr', 'th', 'td', 'p']))
      expect(headersOf(html), name).toEqual([
        name.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;'),
        'other',
      ])
    }
  })

  it('has each name above its own column, whatever the names are', async () => {
    const { 'text/html': html } = await bundleOf({ column1: ['first'], column0: ['second'], $1: ['third'], thead: [4] })
    expect(headersOf(html)).toEqual(['column1', 'column0', '$1', 'thead'])
    expect([...html.matchAll(/<td[^>]*>(.*?)<\/td>/g)].map(match => match[1])).toEqual([
      'first',
      'second',
      'third',
      '4',
    ])
    expect(html).toContain('<p>1 rows x 4 columns</p>')
  })

  it('writes the negative zero that rounding leaves as 0', async () => {
    const { 'text/plain': text, 'text/html': html } = await bundleOf({ x: [-0, -0.5] })
    expect(text.split('\n').slice(0, 3)).toEqual(['x', '0', '-0.5'])
    expect(html).not.toContain('-0.0')
  })
})
