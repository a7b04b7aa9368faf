import { expect, it } from 'vitest'
import { csvPieces, figureCsv } from '../../src/plot/csv.js'
import { band, figure, line, panel } from './support.js'

it('writes one row a point, with the ends of bands, and quotes what needs it', () => {
  const series = [line([1, 2], [0.5, null], { name: 'code, "full"\nrun' }), band([1], [0.1], [0.9])]
  const text = figureCsv(figure([panel({ series })]))
  expect(text).toBe(
    'panel,series,x,y,low,high\r\nLoss,"code, ""full""\nrun",1,0.5,,\r\nLoss,"code, ""full""\nrun",2,,,\r\nLoss,band,1,,0.1,0.9\r\n',
  )
})

it('names the panels of a figure with several', () => {
  const panels = [panel({ title: 'Memory', series: [line([1], [2])] }), panel({ series: [line([1], [3])] })]
  expect(figureCsv(figure(panels)).split('\r\n').slice(1, 3)).toEqual(['Memory,line,1,2,,', 'Loss 2,line,1,3,,'])
})

it('comes in pieces of any length that make the whole', () => {
  const x = Array.from({ length: 10_000 }, (_, i) => i)
  const long = figure([panel({ series: [line(x, x), band(x, x, x)] })])
  const pieces = [...csvPieces(long)]
  expect(pieces.length).toBeGreaterThan(8)
  expect(pieces.join('')).toBe(figureCsv(long))
  expect(pieces.join('').split('\r\n')).toHaveLength(20_002)
})
