import { setFlagsFromString } from 'node:v8'

/** When the optimiser is on again at the latest, in milliseconds. */
const LONGEST_MS = 2000

/**
 * Turns V8's optimiser off while the compiler starts, until the returned function is called, at most two seconds: what it optimises
 * of the compiler meanwhile has run for the most part, and takes a quarter of the processor time to a first cell.
 * Not before code that is cached on disk is read: its cache belongs to the flags that were set when it was written.
 */
export function quickStart(): () => void {
  setFlagsFromString('--no-opt')
  let isOver = false
  const end = () => {
    if (isOver) return
    isOver = true
    clearTimeout(timer)
    setFlagsFromString('--opt')
  }
  const timer = setTimeout(end, LONGEST_MS).unref()
  return end
}
