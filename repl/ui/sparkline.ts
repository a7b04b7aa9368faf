/** Small curves of braille dots, two by four a character. */

export interface SparkPoint {
  x: number
  y: number
}

export interface SparkOptions {
  /** Characters. */
  width: number
  /** Lines. */
  height: number
  /** Ends of the horizontal axis. */
  from: number
  to: number
  /** A value that the vertical axis always has, drawn as a dotted line. */
  zero?: number
}

/** Bits of a braille character by line and column of the dot. */
const dots = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80],
]

/** Points as lines of braille characters, joined by straight lines; nothing where there is no point. */
export function sparkline(points: readonly SparkPoint[], options: SparkOptions): string[] {
  const { width, height, from, to, zero } = options
  const cells = Array.from({ length: height }, () => new Uint8Array(width))
  let [low, high] = zero === undefined ? [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY] : [zero, zero]
  for (const { y } of points) if (Number.isFinite(y)) [low, high] = [Math.min(low, y), Math.max(high, y)]
  const column = (x: number) => Math.round(((x - from) / Math.max(1e-12, to - from)) * (2 * width - 1))
  const row = (y: number) => Math.round(((high - y) / Math.max(1e-12, high - low)) * (4 * height - 1))
  const dot = (x: number, y: number) => {
    const cell = cells[y >> 2]
    const bit = dots[y & 3]![x & 1]!
    if (cell && x >= 0 && x < 2 * width) cell[x >> 1]! |= bit
  }
  if (zero !== undefined && points.length > 0) for (let x = 0; x < 2 * width; x += 4) dot(x, row(zero))
  let before: { x: number; y: number } | null = null
  for (const point of points) {
    if (!Number.isFinite(point.y)) continue
    const here = { x: column(point.x), y: row(point.y) }
    line(before ?? here, here, dot)
    before = here
  }
  return cells.map(cell => String.fromCharCode(...Array.from(cell, bits => (bits === 0 ? 0x20 : 0x2800 + bits))))
}

function line(a: SparkPoint, b: SparkPoint, dot: (x: number, y: number) => void): void {
  const steps = Math.max(1, Math.abs(b.x - a.x), Math.abs(b.y - a.y))
  for (let i = 0; i <= steps; i++)
    dot(Math.round(a.x + ((b.x - a.x) * i) / steps), Math.round(a.y + ((b.y - a.y) * i) / steps))
}
