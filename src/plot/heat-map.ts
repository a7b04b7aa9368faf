/** Cells at most along each side of the picture; a larger matrix is sampled evenly. */
const MAX_SIDE = 48
const WIDTH_PX = 192

interface Rgb {
  r: number
  g: number
  b: number
}

// Blue - white - vermillion: signs are told apart by readers with any colour vision, zero is white.
const negative: Rgb = { r: 0, g: 114, b: 178 }
const positive: Rgb = { r: 213, g: 94, b: 0 }

/**
 * A small SVG heat map of a tensor's last two dimensions (the first matrix of a larger tensor; a vector is one row).
 * Colours are symmetric about zero and scaled to the largest magnitude. Null for scalars and empty tensors.
 */
export function heatMap(data: ArrayLike<number>, shape: readonly number[]): string | null {
  const columns = shape.at(-1)
  if (columns === undefined || data.length < 2) return null
  const rows = shape.at(-2) ?? 1
  const [ys, xs] = [samples(rows), samples(columns)]
  let largest = 0
  for (const y of ys)
    for (const x of xs) {
      const size = Math.abs(data[y * columns + x]!)
      if (Number.isFinite(size)) largest = Math.max(largest, size)
    }
  const side = Math.max(2, Math.floor(WIDTH_PX / Math.max(xs.length, ys.length)))
  const rects = ys.flatMap((y, i) =>
    xs.map((x, j) => {
      const fill = heatColor(data[y * columns + x]!, largest)
      return `<rect x="${j * side}" y="${i * side}" width="${side}" height="${side}" fill="${fill}"/>`
    }),
  )
  const [width, height] = [xs.length * side, ys.length * side]
  const label = `heat map of ${rows} x ${columns} values, at most ${largest.toPrecision(4)} in size`
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}" shape-rendering="crispEdges"><title>${label}</title>${rects.join('')}</svg>`
}

function samples(length: number): number[] {
  const count = Math.min(length, MAX_SIDE)
  return Array.from({ length: count }, (_, i) => Math.floor((i * length) / count))
}

/** Blue below zero, vermillion above, white at zero, full at the largest magnitude; black for what is no number. */
export function heatColor(value: number, largest: number): string {
  if (!Number.isFinite(value)) return '#000'
  const share = largest === 0 ? 0 : Math.abs(value) / largest
  const end = value < 0 ? negative : positive
  const mix = (channel: number) => Math.round(255 + (channel - 255) * share)
  return `rgb(${mix(end.r)},${mix(end.g)},${mix(end.b)})`
}
