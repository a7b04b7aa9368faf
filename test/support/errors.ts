import { LabError } from '../../src/util/errors.js'

/** The LabError that a call throws; fails when it throws nothing or something else. */
export function errorOf(call: () => unknown): LabError {
  try {
    call()
  } catch (error) {
    if (error instanceof LabError) return error
    throw new Error(`expected a LabError, got ${String(error)}`)
  }
  throw new Error('expected a LabError, nothing was thrown')
}
