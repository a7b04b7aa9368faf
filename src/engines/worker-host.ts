/** The worker's side of a hosted engine. */
import type { MessagePort, TransferListItem } from 'node:worker_threads'
import type { Engine } from '../tensor/engine.js'
import { LabError, messageOf } from '../util/errors.js'
import type { Answer, Request, Response } from './worker-protocol.js'

/**
 * Answers the requests that come through `port` with the engine that `start` makes; requests that come before it has
 * started wait. Never rejects: what goes wrong is told to the other side.
 */
export async function hostEngine(port: MessagePort, start: () => Promise<Engine>): Promise<void> {
  const early: Request[] = []
  const wait = (request: Request) => void early.push(request)
  port.on('message', wait)
  try {
    const host = new Host(port, await start())
    port.off('message', wait)
    port.on('message', (request: Request) => host.handle(request))
    for (const request of early) host.handle(request)
  } catch (error) {
    port.postMessage({ kind: 'fatal', ...failure(error) } satisfies Response)
    port.close()
  }
}

class Host {
  readonly #port: MessagePort
  readonly #engine: Engine
  /** The engine's own numbers of variables by those that the other side gave. */
  readonly #variables = new Map<number, number>()
  /** Why a variable has no value, by the other side's number. */
  readonly #failed = new Map<number, unknown>()
  readonly #running = new Map<number, AbortController>()

  constructor(port: MessagePort, engine: Engine) {
    this.#port = port
    this.#engine = engine
    this.#send({ kind: 'ready', device: engine.device, description: engine.description })
  }

  handle(request: Request): void {
    if ('call' in request) {
      void this.#reply(request)
      return
    }
    try {
      this.#obey(request)
    } catch (error) {
      // nobody waits for an answer: who uses the variable is told
      if ('id' in request) this.#failed.set(request.id, error)
      if (this.#engine.ended) void this.#end(this.#engine.ended)
    }
  }

  #obey(request: Exclude<Request, { call: number }>): void {
    if (request.kind === 'createVariable') {
      const init = request.init.kind === 'host' ? { ...request.init, transfer: true } : request.init
      this.#variables.set(request.id, this.#engine.createVariable(request.spec, init))
    } else if (request.kind === 'writeVariable') {
      this.#engine.writeVariable(this.#variable(request.id), request.data)
    } else if (request.kind === 'disposeVariable') {
      const variable = this.#variables.get(request.id)
      if (variable !== undefined) this.#engine.disposeVariable(variable)
      this.#variables.delete(request.id)
      this.#failed.delete(request.id)
    } else if (request.kind === 'unload') this.#engine.unload(request.program)
    else this.#running.get(request.run)?.abort()
  }

  async #reply(request: Extract<Request, { call: number }>): Promise<void> {
    const { call } = request
    try {
      const value = await this.#answer(request)
      this.#send({ kind: 'answer', call, value }, buffersOf(value))
    } catch (error) {
      if (this.#engine.ended) await this.#end(this.#engine.ended)
      else this.#send({ kind: 'failure', call, ...failure(error) })
    }
    if (request.kind === 'dispose') this.#port.close()
  }

  /** Nothing more can be done here: frees the engine, so that another may take its place, and says so to all that wait. */
  async #end(error: unknown): Promise<void> {
    // an engine that has failed may fail here too; why it did first is what callers need
    await this.#engine.dispose().catch(() => undefined)
    this.#send({ kind: 'fatal', ...failure(error) })
    this.#port.close()
  }

  async #answer(request: Extract<Request, { call: number }>): Promise<Answer> {
    switch (request.kind) {
      case 'readVariable':
        return this.#engine.readVariable(this.#variable(request.id))
      case 'load':
        return this.#engine.load(request.spec, request.key)
      case 'run':
        return this.#run(request)
      case 'memory':
        return this.#engine.memory()
      case 'dispose':
        await this.#engine.dispose()
        return null
    }
  }

  async #run({ call, program, inputs, variables }: Extract<Request, { kind: 'run' }>): Promise<Answer> {
    const controller = new AbortController()
    this.#running.set(call, controller)
    try {
      const slots = variables.map(id => this.#variable(id))
      return await this.#engine.run(program, inputs, slots, { signal: controller.signal })
    } finally {
      this.#running.delete(call)
    }
  }

  #variable(id: number): number {
    if (this.#failed.has(id)) throw this.#failed.get(id)
    const variable = this.#variables.get(id)
    if (variable === undefined) throw new LabError('DISPOSED', `${this.#engine.name}: variable ${id} has been disposed`)
    return variable
  }

  #send(response: Response, transfer: TransferListItem[] = []): void {
    this.#port.postMessage(response, transfer)
  }
}

function failure(error: unknown): { code: string; message: string } {
  return { code: error instanceof LabError ? error.code : 'ENGINE', message: messageOf(error) }
}

function buffersOf(value: Answer): TransferListItem[] {
  const arrays = Array.isArray(value) ? value : ArrayBuffer.isView(value) ? [value] : []
  return arrays.map(array => array.buffer as ArrayBuffer)
}
