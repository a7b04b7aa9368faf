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

/** Lists variables made after `begin`: `let`, `const` and classes of V8's REPL scope, `var`s and functions of the global object. */
export class Variables {
  readonly #session = new Session()
  readonly #before: ReadonlySet<string>

  constructor() {
    this.#session.connect()
    this.#before = new Set([...Object.getOwnPropertyNames(globalThis), ...this.#lexicalNames()])
  }

  list(): VariableRow[] {
    const names = new Set([...this.#lexicalNames(), ...Object.getOwnPropertyNames(globalThis)])
    return [...names]
      .filter(name => !this.#before.has(name) && !/^(?:__|_\d*$|In$|Out$)/.test(name))
      .map(name => this.#row(name))
  }

  dispose(): void {
    this.#session.disconnect()
  }

  #lexicalNames(): string[] {
    let names: string[] = []
    this.#session.post('Runtime.globalLexicalScopeNames', {}, (error, found) => {
      if (!error) names = found.names
    })
    return names
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
