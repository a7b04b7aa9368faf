import { keyOf } from '../util/prng.js'
import type { ColorName, Dash, Marker } from './figure.js'

export type Theme = 'light' | 'dark'

interface Shades {
  /** Lines and areas on white. */
  light: string
  /** The same hue dark enough for text on white (contrast 4.5 or more). */
  lightText: string
  /** Lines, areas and text on the dark background. */
  dark: string
  /** Nearest of the 256 terminal colours, readable on black and on white. */
  ansi: number
}

/** Okabe and Ito's colours for colour-blind readers (2008); yellow is darkened on white, blue and vermillion lightened on black. */
export const palette: Record<ColorName, Shades> = {
  blue: { light: '#0072B2', lightText: '#00659E', dark: '#4FA8DD', ansi: 32 },
  vermillion: { light: '#D55E00', lightText: '#B04E00', dark: '#F0803C', ansi: 166 },
  green: { light: '#009E73', lightText: '#00785A', dark: '#2FBF93', ansi: 36 },
  purple: { light: '#CC79A7', lightText: '#A34C7E', dark: '#DD93BC', ansi: 175 },
  orange: { light: '#E69F00', lightText: '#8F6300', dark: '#EBB03A', ansi: 178 },
  sky: { light: '#56B4E9', lightText: '#1F75A6', dark: '#7CC7F0', ansi: 74 },
  yellow: { light: '#B3A100', lightText: '#756A00', dark: '#F0E442', ansi: 142 },
  ink: { light: '#24292F', lightText: '#24292F', dark: '#E6EDF3', ansi: 247 },
  muted: { light: '#8C959F', lightText: '#59636E', dark: '#8B949E', ansi: 243 },
}

/** The colours of the page under a figure. */
export const surfaces = {
  light: { background: '#FFFFFF', grid: '#E7EAEE', axis: '#AFB8C1' },
  dark: { background: '#0D1117', grid: '#21262D', axis: '#484F58' },
} as const

const hues: ColorName[] = ['blue', 'vermillion', 'green', 'purple', 'orange', 'sky', 'yellow']

/** Names that mean the same in every figure of the lab keep one colour for ever. */
const known: [pattern: RegExp, color: ColorName][] = [
  [/general|english|prose|base|expan|^pro$/i, 'blue'],
  [/code|python|full|finetun|fine-tun/i, 'vermillion'],
  [/math|algebra|proof|lora/i, 'green'],
]

/**
 * A colour for each name. A known name (general, code, math, expansion, full, lora, ...) takes its own; another takes one that its
 * hash chooses among those left, so that it keeps the colour from figure to figure. The eighth takes the ink; beyond it colours repeat,
 * each as often as the others. Names are served in alphabetical order, so that the colours do not depend on which was found first.
 */
export function assignColors(names: readonly string[]): Map<string, ColorName> {
  const sorted = [...new Set(names)].sort()
  const colors = new Map<string, ColorName>()
  const used = new Map<ColorName, number>()
  const take = (name: string, color: ColorName) => {
    colors.set(name, color)
    used.set(color, (used.get(color) ?? 0) + 1)
  }
  for (const name of sorted) {
    const color = known.find(([pattern]) => pattern.test(name))?.[1]
    if (color && !used.has(color)) take(name, color)
  }
  for (const name of sorted) if (!colors.has(name)) take(name, hashedColor(name, used))
  return colors
}

/** Colours that belong to known names, and yellow, are given to strangers only when the others are gone. */
function hashedColor(name: string, used: ReadonlyMap<ColorName, number>): ColorName {
  const reserved = new Set<ColorName>([...known.map(([, color]) => color), 'yellow'])
  const all: ColorName[] = [...hues, 'ink']
  const fewest = Math.min(...all.map(color => used.get(color) ?? 0))
  const left = all.filter(color => (used.get(color) ?? 0) === fewest)
  const choices = [
    left.filter(color => color !== 'ink' && !reserved.has(color)),
    left.filter(color => color !== 'ink'),
    left,
  ]
  const first = choices.find(list => list.length > 0)!
  return first[Number(keyOf(name) % BigInt(first.length))]!
}

/** How runs of the same colour are told apart: by the dash, which is solid for the first of each colour. */
export function dashesOf(colors: ReadonlyMap<string, ColorName>): Map<string, Dash> {
  const seen = new Map<ColorName, number>()
  return new Map(
    [...colors].sort().map(([name, color]) => {
      const before = seen.get(color) ?? 0
      seen.set(color, before + 1)
      return [name, dashes[before % dashes.length]!]
    }),
  )
}

const dashes: Dash[] = ['solid', 'dash', 'dot', 'dashdot', 'longdash', 'longdashdot']
const markers: Marker[] = ['circle', 'square', 'triangle', 'diamond']

/** Colours that no known probe has, for runs beside a panel of probes. */
const neutrals: ColorName[] = ['ink', 'purple', 'orange', 'sky']

/** After twelve runs six dashes and four markers (or colours) meet again in the same pairs, unless one of them is moved on. */
const inTurn = <T>(all: readonly T[], index: number) => all[(index + Math.floor(index / 12)) % all.length]!

/** How the i-th run is told apart when colour already means something else: the first six by dash alone, 24 by dash and marker. */
export function runStyle(index: number): { dash: Dash; marker: Marker } {
  return { dash: dashes[index % dashes.length]!, marker: inTurn(markers, index) }
}

/** The colour of the i-th run in a panel beside others in which colour means the probe; with its dash it tells 24 runs apart. */
export function neutralColor(index: number): ColorName {
  return inTurn(neutrals, index)
}
