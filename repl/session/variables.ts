/** The variables that cells have made, seen through V8's inspector. */
import { Session } from 'node:inspector'

interface RemoteObject {
  type: string
  subtype?: string
  className?: string
  description?: string
  value?: unknown
}

/** A variable of the session. */
export interface VariableRow {
  name: string
  type: string
  value: string
}

/** Describes variables of V8's REPL scope. */
export class Variables {
  readonly #session = new Session()

  constructor() {
    this.#session.connect()
  }

  list(names: readonly string[]): VariableRow[] {
    return names.map(name => this.#row(name))
  }

  dispose(): void {
    this.#session.disconnect()
  }

  #row(name: string): VariableRow {
    const object = this.#evaluate(name)
    const { type, subtype, className, description, value } = object
    const text = type === 'string' ? JSON.stringify(value) : (description ?? String(value ?? subtype ?? ''))
    const [line = ''] = text.split('\n')
    return { name, type: className ?? subtype ?? type, value: line.length > 60 ? `${line.slice(0, 59)}…` : line }
  }

  #evaluate(expression: string): RemoteObject {
    let object: RemoteObject = { type: 'unknown' }
    // without side effects: a getter of the user's is not run for being listed
    const parameters = { expression, silent: true, throwOnSideEffect: true }
    this.#session.post('Runtime.evaluate', parameters, (error: Error | null, found?: object) => {
      const { result, exceptionDetails } = (found ?? {}) as { result?: RemoteObject; exceptionDetails?: object }
      if (!error && !exceptionDetails && result) object = result
    })
    return object
  }
}
