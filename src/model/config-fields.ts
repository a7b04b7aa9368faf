import { LabError } from '../util/errors.js'

/** A JSON object whose fields are read with checks; `where` names the file in errors. */
export interface Fields {
  raw: Record<string, unknown>
  where: string
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value)
}

/** The error for a field with a wrong value: names the file, the key, what was expected and what came. */
export function badField({ where }: Fields, key: string, expected: string, value: unknown): LabError {
  const came = value === undefined ? 'it is missing' : `it is ${JSON.stringify(value).slice(0, 120)}`
  return new LabError('CONFIG_INVALID', `${where}: "${key}" must be ${expected}, but ${came}.`)
}

/** A field that is absent or null takes the default; without a default it must be there. */
function present(fields: Fields, key: string, expected: string, otherwise: unknown): unknown {
  const value = fields.raw[key] ?? otherwise
  if (value === undefined) throw badField(fields, key, expected, undefined)
  return value
}

export function positiveInteger(fields: Fields, key: string, otherwise?: number): number {
  const expected = 'a positive integer'
  const value = present(fields, key, expected, otherwise)
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1)
    throw badField(fields, key, expected, value)
  return value
}

export function nonNegativeInteger(fields: Fields, key: string, otherwise?: number): number {
  const expected = 'a non-negative integer'
  const value = present(fields, key, expected, otherwise)
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0)
    throw badField(fields, key, expected, value)
  return value
}

export function positiveNumber(fields: Fields, key: string, otherwise?: number): number {
  const expected = 'a positive number'
  const value = present(fields, key, expected, otherwise)
  if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0) throw badField(fields, key, expected, value)
  return value
}

export function flag(fields: Fields, key: string, otherwise: boolean): boolean {
  const value = present(fields, key, 'true or false', otherwise)
  if (typeof value !== 'boolean') throw badField(fields, key, 'true or false', value)
  return value
}

/** One token id, or none; an absent key takes the family's default, an explicit null means none. */
export function tokenId(fields: Fields, key: string, vocabSize: number, otherwise: number | null): number | null {
  const ids = tokenIds(fields, key, vocabSize, otherwise === null ? [] : [otherwise])
  if (ids.length > 1) throw badField(fields, key, 'one token id', fields.raw[key])
  return ids[0] ?? null
}

/** Zero or more token ids, written as null, an integer or a list. */
export function tokenIds(fields: Fields, key: string, vocabSize: number, otherwise: number[]): number[] {
  const value = fields.raw[key]
  if (value === undefined) return otherwise.filter(id => id < vocabSize)
  if (value === null) return []
  const ids: unknown[] = Array.isArray(value) ? value : [value]
  for (const id of ids)
    if (typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0 || id >= vocabSize)
      throw badField(fields, key, `token ids from 0 to ${vocabSize - 1}`, value)
  return ids as number[]
}
