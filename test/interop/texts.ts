import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../support/shared.js'

const folder = join(repositoryRoot, 'datasets/demo/general')

/** The files of the demo's prose, in the order in which a dataset reads them. */
export const proseFiles: readonly string[] = readdirSync(folder)
  .sort()
  .map(name => join(folder, name))

/** Texts that are hard on tokenizers and byte counts. */
export const awkwardTexts: readonly string[] = [
  ' ',
  '\n\n\n',
  '\t\tindented\r\nand cut \r alone',
  ' two  and   three    spaces     ',
  'naïve café — “quotes” … €5',
  'cafe\u0301 with a combining accent',
  'Zażółć gęślą jaźń',
  'Привет, мир',
  '漢字とかな交じり文。',
  'שלום עולם ‏RTL',
  '👩‍👩‍👧‍👦 👍🏽 🏳️‍🌈',
  '\u0000\u0001\u007f\u0085\u00a0\u200b\ufeff\ufffd',
  "it's we'll I'd they've DON'T",
  '0 12 345 6789 1234567890 3.14159 1e-10 0xFF',
  '<|begin_of_text|>inside<|end_of_text|> and after',
  '<|begin_of_text',
  'x'.repeat(500),
  'aB'.repeat(200),
  '={}[]();:<>?!@#$%^&*~`|\\/',
  'export const f = (x: number): number => x ** 2 // squares\n\treturn f(2)\n',
]

/** `count` pieces of the prose of about 400 characters, cut anywhere, evenly spread. */
export function prosePieces(count: number): string[] {
  const characters = [...proseFiles.map(path => readFileSync(path, 'utf8')).join('\n')]
  const stride = Math.floor(characters.length / count)
  return Array.from({ length: count }, (_, i) => characters.slice(i * stride, i * stride + 400).join(''))
}

export const jsonl = (texts: readonly string[]): string => texts.map(text => `${JSON.stringify({ text })}\n`).join('')
