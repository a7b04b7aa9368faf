import type { ColorName } from './figure.js'

/** What stands in one terminal cell. */
export interface Cell {
  char: string
  color: ColorName | null
}

/** `braille` resolves 2 x 4 dots in a cell; `ascii` one mark, for terminals and fonts without braille. */
export type Charset = 'braille' | 'ascii'

/**
 * A grid of terminal cells under construction: a layer of dots, 2 x 4 to a cell with the colour and mark of the last one drawn, and a layer
 * of characters, over the dots (`front`) or where no dots are (`back`).
 */
export interface CellCanvas {
  columns: number
  rows: number
  dots: Uint8Array
  dotColor: (ColorName | null)[]
  mark: string[]
  front: (Cell | null)[]
  back: (Cell | null)[]
}

/** An empty grid. */
export function createCells(columns: number, rows: number): CellCanvas {
  const size = columns * rows
  const empty = () => new Array<Cell | null>(size).fill(null)
  const dots = new Uint8Array(size)
  return {
    columns,
    rows,
    dots,
    dotColor: new Array(size).fill(null),
    mark: new Array(size).fill('*'),
    front: empty(),
    back: empty(),
  }
}

/** Bits of a braille character (U+2800 + bits) by row and column of its dots. */
const brailleBits = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
]

/** Sets the dot (x, y) of columns * 2 by rows * 4, counted from the top left; outside the grid nothing happens. */
export function setDot(canvas: CellCanvas, x: number, y: number, pen: { color: ColorName; mark: string }): void {
  if (x < 0 || y < 0 || x >= canvas.columns * 2 || y >= canvas.rows * 4) return
  const cell = (y >> 2) * canvas.columns + (x >> 1)
  canvas.dots[cell]! |= brailleBits[y & 3]![x & 1]!
  canvas.dotColor[cell] = pen.color
  canvas.mark[cell] = pen.mark
}

/** The dots of a straight line (Bresenham), ends included. The ends must be integers. */
export function* linePoints(x0: number, y0: number, x1: number, y1: number): Generator<[x: number, y: number]> {
  const [dx, dy] = [Math.abs(x1 - x0), -Math.abs(y1 - y0)]
  const [sx, sy] = [Math.sign(x1 - x0), Math.sign(y1 - y0)]
  let [x, y, error] = [x0, y0, dx + dy]
  for (;;) {
    yield [x, y]
    if (x === x1 && y === y1) return
    const twice = 2 * error
    if (twice >= dy) {
      error += dy
      x += sx
    }
    if (twice <= dx) {
      error += dx
      y += sy
    }
  }
}

function cellAt(canvas: CellCanvas, index: number, charset: Charset): Cell {
  const front = canvas.front[index]
  if (front) return front
  const dots = canvas.dots[index]!
  const char = charset === 'ascii' ? canvas.mark[index]! : String.fromCodePoint(0x2800 + dots)
  return dots > 0 ? { char, color: canvas.dotColor[index]! } : (canvas.back[index] ?? { char: ' ', color: null })
}

/** The finished rows of the grid. */
export function cellRows(canvas: CellCanvas, charset: Charset): Cell[][] {
  return Array.from({ length: canvas.rows }, (_, row) =>
    Array.from({ length: canvas.columns }, (_, column) => cellAt(canvas, row * canvas.columns + column, charset)),
  )
}
