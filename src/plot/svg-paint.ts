import { internal } from '../util/errors.js'
import type { ColorName } from './figure.js'
import { palette, surfaces, type Theme } from './palette.js'
import { escapeXml } from './text.js'

/** `auto` is light where nothing is known and dark where the viewer says that it prefers dark. */
export type SvgTheme = Theme | 'auto'

/** What can be painted: a series colour, the darker text of that colour, or a part of the page. */
export type Paint = ColorName | `${ColorName}-text` | 'background' | 'grid' | 'axis'

export const FONT =
  "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, 'DejaVu Sans', 'Noto Sans', sans-serif"

function shade(paint: Paint, theme: Theme): string {
  if (paint === 'background' || paint === 'grid' || paint === 'axis') return surfaces[theme][paint]
  if (!paint.endsWith('-text')) return palette[paint as ColorName][theme]
  const name = paint.slice(0, -'-text'.length) as ColorName
  return theme === 'light' ? palette[name].lightText : palette[name].dark
}

const paints: Paint[] = [
  ...(Object.keys(palette) as ColorName[]).flatMap((name): Paint[] => [name, `${name}-text`]),
  'background',
  'grid',
  'axis',
]

/** A coordinate with at most two decimals. */
export function px(value: number): string {
  if (!Number.isFinite(value)) throw internal(`a coordinate is ${value}`)
  return String(Math.round(value * 100) / 100)
}

type Attributes = Record<string, string | number | null>

/** One XML element; attribute values are escaped, null attributes left out, children are taken as they are. */
export function element(name: string, attributes: Attributes, children: string[] = []): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? px(value) : escapeXml(value!)}"`)
    .join('')
  return children.length > 0 ? `<${name}${written}>${children.join('')}</${name}>` : `<${name}${written}/>`
}

/** Text at a point; `attributes` may set anchor, size, weight and paint. */
export function textAt(x: number, y: number, text: string, attributes: Attributes): string {
  return element('text', { x, y, ...attributes }, [escapeXml(text)])
}

/**
 * Attributes that paint in a theme. With `auto` the colour is an attribute, which every viewer understands, and a class by which the
 * style sheet of {@link darkStyle} overrides it.
 */
export function painter(theme: SvgTheme): (colors: { fill?: Paint; stroke?: Paint }) => Attributes {
  const base = theme === 'dark' ? 'dark' : 'light'
  return ({ fill, stroke }) => ({
    fill: fill ? shade(fill, base) : stroke ? 'none' : null,
    stroke: stroke ? shade(stroke, base) : null,
    class: theme === 'auto' ? [fill && `f-${fill}`, stroke && `s-${stroke}`].filter(Boolean).join(' ') || null : null,
  })
}

/** The style element that recolours an `auto` figure for viewers that prefer dark; empty for a fixed theme. */
export function darkStyle(theme: SvgTheme): string {
  if (theme !== 'auto') return ''
  const rules = paints.map(
    paint =>
      `.lab-figure .f-${paint}{fill:${shade(paint, 'dark')}}.lab-figure .s-${paint}{stroke:${shade(paint, 'dark')}}`,
  )
  return `<style>@media (prefers-color-scheme:dark){${rules.join('')}}</style>`
}
