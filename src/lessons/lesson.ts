/** A lesson: one step of block expansion shown on the session's own model, as plain data that every front can draw. */
import type { Figure } from '../plot/figure.js'

/** A matrix (or vector, one row) as it is drawn: evenly sampled to a small grid, signs and zeros kept. */
export interface MatrixPicture {
  name: string
  rows: number
  columns: number
  /** Sampled values, row by row. */
  values: number[]
  /** Largest magnitude of the whole matrix. */
  largest: number
  /** Zeros of the whole matrix, 0 to 1. */
  zeroShare: number
}

/** A token with a number that colours it. */
export interface ColoredToken {
  text: string
  value: number
}

export type LessonPart =
  | { kind: 'text'; text: string }
  | { kind: 'table'; header: string[]; rows: string[][] }
  | { kind: 'figure'; figure: Figure }
  | { kind: 'matrices'; pictures: MatrixPicture[] }
  | { kind: 'tokens'; tokens: ColoredToken[]; low: string; high: string }

export interface Lesson {
  /** 1 to 9. */
  number: number
  /** `ladder`, `copy`, ... */
  name: string
  title: string
  parts: LessonPart[]
}

/** Cells along each side of a picture at most. */
export const PICTURE_SIDE = 32

/** Samples a matrix for drawing. */
export function matrixPicture(name: string, data: ArrayLike<number>, shape: readonly number[]): MatrixPicture {
  const columns = shape.at(-1) ?? 1
  const rows = data.length / columns
  const at = (length: number) => {
    const count = Math.min(length, PICTURE_SIDE)
    return Array.from({ length: count }, (_, i) => Math.floor((i * length) / count))
  }
  const [ys, xs] = [at(rows), at(columns)]
  let largest = 0
  let zeros = 0
  for (let i = 0; i < data.length; i++) {
    largest = Math.max(largest, Math.abs(data[i]!))
    if (data[i] === 0) zeros++
  }
  const values = ys.flatMap(y => xs.map(x => data[y * columns + x]!))
  return { name, rows: ys.length, columns: xs.length, values, largest, zeroShare: zeros / data.length }
}
