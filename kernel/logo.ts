/** The kernel's logo: a stack of layers in which two, of another colour and set off to the right, are new. Drawn, not stored. */
import { crc32, deflateSync } from 'node:zlib'

type Color = readonly [red: number, green: number, blue: number]
interface Bar {
  x: number
  y: number
  width: number
  height: number
  color: Color
}

const old: Color = [51, 92, 129]
const added: Color = [242, 132, 48]
/** The bars on a field of 16 x 16. */
const bars: Bar[] = [
  { x: 1, y: 1, width: 11, height: 2, color: old },
  { x: 4, y: 4, width: 11, height: 2, color: added },
  { x: 1, y: 7, width: 11, height: 2, color: old },
  { x: 4, y: 10, width: 11, height: 2, color: added },
  { x: 1, y: 13, width: 11, height: 2, color: old },
]

/** The logo as an SVG file. */
export function logoSvg(): string {
  const rects = bars.map(
    ({ x, y, width, height, color }) =>
      `<rect x="${x}" y="${y}" width="${width}" height="${height}" rx="0.5" fill="rgb(${color.join(',')})"/>`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" width="64" height="64">${rects.join('')}</svg>\n`
}

/** The logo as a PNG file of `size` x `size` pixels, transparent around the bars. @param size a multiple of 16 */
export function logoPng(size: number): Buffer {
  const scale = size / 16
  const stride = 1 + 4 * size
  const rows = Buffer.alloc(stride * size)
  for (const { x, y, width, height, color } of bars)
    for (let row = y * scale; row < (y + height) * scale; row++)
      for (let column = x * scale; column < (x + width) * scale; column++)
        rows.set([...color, 255], row * stride + 1 + 4 * column)
  const header = Buffer.alloc(13)
  header.writeUInt32BE(size, 0)
  header.writeUInt32BE(size, 4)
  // 8 bits a channel, red green blue alpha
  header.set([8, 6], 8)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([
    signature,
    pngChunk('IHDR', header),
    pngChunk('IDAT', deflateSync(rows)),
    pngChunk('IEND', Buffer.alloc(0)),
  ])
}

function pngChunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type), data])
  const chunk = Buffer.alloc(body.length + 8)
  chunk.writeUInt32BE(data.length, 0)
  body.copy(chunk, 4)
  chunk.writeUInt32BE(crc32(body), body.length + 4)
  return chunk
}
