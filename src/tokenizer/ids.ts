import { LabError } from '../util/errors.js'
import type { TokenizerJson } from './tokenizer-json.js'

/** Checks that every id is a non-negative integer. @throws LabError `TOKENIZER_ID` */
export function checkIds(ids: ArrayLike<number>): void {
  for (let i = 0; i < ids.length; i++) {
    const id = ids[i]!
    if (!Number.isInteger(id) || id < 0)
      throw new LabError('TOKENIZER_ID', `id ${i}: expected a non-negative integer, got ${id}`)
  }
}

/** The highest id of a tokenizer plus one. */
export function idLimit(json: TokenizerJson): number {
  const { vocab } = json.model
  let limit = Array.isArray(vocab) ? vocab.length : 0
  if (!Array.isArray(vocab)) for (const token in vocab) limit = Math.max(limit, vocab[token]! + 1)
  for (const { id } of json.added_tokens) limit = Math.max(limit, id + 1)
  return limit
}
