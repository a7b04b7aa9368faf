import { expect, it } from 'vitest'
import { fitWidth, textWidth } from '../../repl/editor/width.js'

it.each([
  ['ascii', 5],
  ['日本語', 6],
  ['ｆｕｌｌ', 8],
  ['한글', 4],
  ['e\u0301', 1],
  ['\u0928\u093f', 1],
  ['a\u200bb', 2],
  ['👩‍👩‍👧', 2],
  ['👍🏽', 2],
  ['🇩🇪', 2],
  ['1\ufe0f\u20e3', 2],
  ['❤\ufe0f', 2],
  ['●⣿█─é', 5],
  ['\u001b[31mred\u001b[39m', 3],
])('%s takes %i columns', (text, columns) => expect(textWidth(text)).toBe(columns))

it('cuts between characters', () => {
  expect(fitWidth('日本語', 5)).toBe('日本…')
  expect(fitWidth('日本語', 4)).toBe('日…')
  expect(fitWidth('a👩‍👩‍👧b', 3)).toBe('a…')
})
