import type { DType, HostArray } from './dtype.js'
import { bf16ToF32, f16ToF32 } from './half.js'
import { formatShape, type Shape, sizeOf } from './shape.js'

/** Rows and columns shown at each end of a long dimension. */
const EDGE = 3

/** A readable picture of a tensor: header, then nested rows with aligned numbers, long dimensions cut in the middle. */
export function formatTensor(data: HostArray, shape: Shape, dtype: DType): string {
  const header = `Tensor ${dtype} ${formatShape(shape)}`
  const decode = dtype === 'bf16' ? bf16ToF32 : dtype === 'f16' ? f16ToF32 : (x: number) => x
  const show = (i: number) => formatNumber(decode(data[i]!), dtype)
  if (shape.length === 0) return `${header} ${show(0)}`
  const cells = new Map<number, string>()
  for (const i of visible(shape)) cells.set(i, show(i))
  const width = Math.max(0, ...[...cells.values()].map(s => s.length))
  return `${header}\n${rows(shape, 0, 1, i => cells.get(i)!.padStart(width))}`
}

function formatNumber(x: number, dtype: DType): string {
  if (dtype === 'bool') return x ? 'true' : 'false'
  if (dtype === 'i32' || !Number.isFinite(x) || x === 0) return String(x)
  const size = Math.abs(x)
  return size >= 1e5 || size < 1e-4
    ? x.toExponential(3)
    : x
        .toPrecision(5)
        .replace(/(\.\d*?)0+$/, '$1')
        .replace(/\.$/, '')
}

function shown(length: number): (number | null)[] {
  const all = Array.from({ length }, (_, i) => i)
  return length <= 2 * EDGE + 1 ? all : [...all.slice(0, EDGE), null, ...all.slice(-EDGE)]
}

function visible(shape: Shape, start = 0): number[] {
  const [length, ...rest] = shape
  if (length === undefined) return [start]
  const stride = sizeOf(rest)
  return shown(length).flatMap(i => (i === null ? [] : visible(rest, start + i * stride)))
}

function rows(shape: Shape, start: number, indent: number, cell: (i: number) => string): string {
  const [length, ...rest] = shape as [number, ...number[]]
  const stride = sizeOf(rest)
  const parts = shown(length).map(i => {
    if (i === null) return '...'
    return rest.length === 0 ? cell(start + i) : rows(rest, start + i * stride, indent + 1, cell)
  })
  return `[${parts.join(rest.length === 0 ? ', ' : `,${'\n'.repeat(rest.length)}${' '.repeat(indent)}`)}]`
}
