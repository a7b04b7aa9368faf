import type { Axis, TickFormat } from './figure.js'

export interface Tick {
  value: number
  label: string
}

const secondSteps = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400]

/** The smallest of 1, 2, 5 times a power of ten that is not below `raw` (> 0). */
export function niceStep(raw: number): number {
  const power = 10 ** Math.floor(Math.log10(raw))
  const factor = [1, 2, 5, 10].find(f => f * power >= raw * (1 - 1e-9)) ?? 10
  return factor * power
}

function stepFor(span: number, count: number, format: TickFormat): number {
  const raw = span / Math.max(1, count)
  if (format === 'seconds' && raw > 0.5) return secondSteps.find(step => step >= raw) ?? niceStep(raw / 86_400) * 86_400
  const step = niceStep(raw)
  return format === 'count' ? Math.max(1, step) : step
}

/**
 * Multiples of a nice step inside [min, max].
 * @param count how many intervals there is room for; kept unless fewer than two ticks would be left
 */
export function linearTicks(min: number, max: number, count: number, format: TickFormat = 'number'): Tick[] {
  const step = stepFor(max - min, count, format)
  const first = Math.ceil(min / step - 1e-9)
  const last = Math.floor(max / step + 1e-9)
  const ticks: Tick[] = []
  for (let i = first; i <= last; i++) {
    // i * step carries the rounding of step; 12 digits are more than any label shows
    const value = Number((i * step).toPrecision(12))
    ticks.push({ value, label: formatTick(value, step, format) })
  }
  return ticks.length < 2 && count >= 2 && count < 9 ? linearTicks(min, max, count + 1, format) : ticks
}

/** Powers of ten inside [min, max] (> 0), with 2 and 5 between them when few, thinned when many; linear ticks within a factor of three. */
export function logTicks(min: number, max: number, count: number, format: TickFormat = 'number'): Tick[] {
  if (max / min < 3) return linearTicks(min, max, count, format).filter(tick => tick.value > 0)
  const first = Math.floor(Math.log10(min))
  const last = Math.ceil(Math.log10(max))
  const decades = Math.log10(max) - Math.log10(min)
  const stride = Math.max(1, Math.ceil(decades / Math.max(1, count)))
  const factors = decades <= count / 3 ? [1, 2, 5] : [1]
  const ticks: Tick[] = []
  for (let exponent = first; exponent <= last; exponent++) {
    if (exponent % stride !== 0) continue
    for (const factor of factors) {
      const value = Number(`${factor}e${exponent}`)
      if (value >= min * (1 - 1e-9) && value <= max * (1 + 1e-9))
        ticks.push({ value, label: formatTick(value, value, format) })
    }
  }
  return ticks
}

/** The ticks of an axis over a domain: its categories, or nice values. */
export function axisTicks(axis: Axis, [min, max]: readonly [number, number], count: number): Tick[] {
  if (axis.categories) {
    const stride = Math.max(1, Math.ceil(axis.categories.length / Math.max(1, count + 1)))
    return axis.categories
      .map((label, value) => ({ value, label }))
      .filter(tick => tick.value % stride === 0 && tick.value >= min && tick.value <= max)
  }
  return axis.scale === 'log' ? logTicks(min, max, count, axis.format) : linearTicks(min, max, count, axis.format)
}

function decimalsOf(step: number): number {
  return Math.min(12, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)))
}

/** A value with the decimals that its step asks for, and a true minus sign. */
function plain(value: number, step: number): string {
  return value
    .toFixed(decimalsOf(step))
    .replace(/^-(?=.*[1-9])/, '−')
    .replace(/^-/, '')
}

function exponential(value: number): string {
  const [mantissa = '', exponent = ''] = value.toExponential(3).split('e')
  return `${mantissa.replace(/\.?0+$/, '').replace('-', '−')}e${exponent.replace('+', '').replace('-', '−')}`
}

function scaled(value: number, step: number, units: string[]): string {
  let power = 0
  let size = Math.abs(value)
  while (size >= 1000 && power < units.length - 1) {
    size /= 1000
    power++
  }
  // 1,500 with step 500 is 1.5k: dividing keeps just the decimals that the step needs
  return `${plain(value / 1000 ** power, step / 1000 ** power)
    .replace(/(\.\d*?)0+$/, '$1')
    .replace(/\.$/, '')}${units[power]}`
}

const timeUnits: [seconds: number, name: string][] = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
]

/** In the largest unit that neither the value nor four steps fall short of, so that neighbours stay apart. */
function duration(value: number, step: number): string {
  const size = Math.abs(value)
  if (size === 0) return '0'
  const [unit, name] = timeUnits.find(([seconds]) => size >= seconds && step * 4 >= seconds) ?? [1, 's']
  return `${Number((value / unit).toFixed(Math.max(2, decimalsOf(step / unit))))} ${name}`.replace('-', '−')
}

/**
 * The label of a tick.
 * @param step distance to the next tick, which decides the decimals
 */
export function formatTick(value: number, step: number, format: TickFormat): string {
  const size = Math.abs(value)
  if (format === 'seconds') return duration(value, step)
  if (format === 'percent') return `${plain(value * 100, step * 100)} %`
  if (format === 'bytes') return scaled(value, step, [' B', ' kB', ' MB', ' GB', ' TB'])
  if (size === 0 && step < 1e-4) return '0'
  if (size >= 1e15 || (size > 0 && size < 1e-4) || step < 1e-6) return exponential(value)
  return size >= 10_000 || format === 'count' ? scaled(value, step, ['', 'k', 'M', 'B', 'T']) : plain(value, step)
}
