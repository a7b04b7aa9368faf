/**
 * Every error that the lab throws on purpose. The message says what was expected, what came, where, and what to try;
 * `code` is stable and may be matched by programs. A mistake in the lab itself is thrown by {@link internal}.
 */
export class LabError extends Error {
  readonly code: string

  constructor(code: string, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'LabError'
    this.code = code
  }
}

/** The error for a state that cannot happen; its message starts with `internal:` so that it is reported as a bug. */
export function internal(message: string): LabError {
  return new LabError('INTERNAL', `internal: ${message}`)
}

/** The message of anything that was thrown, Error or not. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
