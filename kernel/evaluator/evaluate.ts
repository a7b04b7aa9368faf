import type { Runtime, Session } from 'node:inspector'
import type { InterruptWatcher } from './interrupt.js'

/** How the evaluation of a script ended; `error` is the thrown value itself. */
export type Evaluation = { status: 'done' } | { status: 'thrown'; error: unknown } | { status: 'terminated' }

const OBJECT_GROUP = 'lab'
const sinkName = '__labSink__'

/**
 * Runs scripts in V8's REPL mode: top-level `await`, and `let`s that later scripts see, change and declare again.
 * The promise of a script that awaits for ever never settles; race it with the interrupt of its cell.
 */
export class ScriptRunner {
  readonly #session: Session
  readonly #watcher: InterruptWatcher

  constructor(session: Session, watcher: InterruptWatcher) {
    this.#session = session
    this.#watcher = watcher
  }

  run(script: string): Promise<Evaluation> {
    return new Promise(resolve => {
      this.#watcher.guard(() => {
        let wasTerminated = false
        // `replMode` is missing in the types of Node 20.
        const parameters: Runtime.EvaluateParameterType & { replMode: boolean } = {
          expression: script,
          replMode: true,
          awaitPromise: true,
          silent: true,
          objectGroup: OBJECT_GROUP,
        }
        this.#session.post('Runtime.evaluate', parameters, (failure, reply) => {
          wasTerminated = failure !== null
          resolve(failure ? { status: 'terminated' } : this.#outcome(reply))
        })
        return { wasTerminated }
      })
    })
  }

  #outcome({ exceptionDetails }: Runtime.EvaluateReturnType): Evaluation {
    const thrown = exceptionDetails?.exception
    const outcome: Evaluation = exceptionDetails
      ? { status: 'thrown', error: thrown ? this.#valueOf(thrown) : new Error(exceptionDetails.text) }
      : { status: 'done' }
    this.#session.post('Runtime.releaseObjectGroup', { objectGroup: OBJECT_GROUP })
    return outcome
  }

  /** The value behind the inspector's description of it. */
  #valueOf(remote: Runtime.RemoteObject): unknown {
    if (remote.objectId === undefined) return remote.unserializableValue ?? remote.value
    let value: unknown
    Object.defineProperty(globalThis, sinkName, { value: (it: unknown) => (value = it), configurable: true })
    this.#session.post('Runtime.callFunctionOn', {
      objectId: remote.objectId,
      functionDeclaration: `function () { 'use strict'; ${sinkName}(this) }`,
      silent: true,
    })
    Reflect.deleteProperty(globalThis, sinkName)
    return value
  }
}
