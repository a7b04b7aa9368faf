import { LabError, messageOf } from '../util/errors.js'

/**
 * What ends an engine: a run that writes into variables has failed, so some of them may hold new elements and others old
 * ones, and nobody can tell which.
 */
export function halfDone(error: unknown): LabError {
  const code = error instanceof LabError ? error.code : 'ENGINE'
  const message = `${messageOf(error)} (an update may have been half done: load the model again)`
  return new LabError(code, message, { cause: error })
}
