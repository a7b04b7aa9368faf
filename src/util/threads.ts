import { availableParallelism } from 'node:os'
import { LabError } from './errors.js'

/** How many threads engines compute with that are not told a number. */
export const THREADS_VARIABLE = 'LLAMA_PRO_THREADS'

/**
 * Threads that compute by default: the number in `LLAMA_PRO_THREADS`, else one a core.
 * @throws LabError ENGINE when the variable holds anything but a whole number of 1 or more
 */
export function defaultThreads(env: NodeJS.ProcessEnv = process.env): number {
  const asked = env[THREADS_VARIABLE]?.trim()
  if (asked === undefined || asked === '') return availableParallelism()
  if (/^[1-9]\d{0,4}$/.test(asked)) return Number(asked)
  throw new LabError('ENGINE', `${THREADS_VARIABLE}: expected a whole number of threads, 1 or more, got "${asked}"`)
}
