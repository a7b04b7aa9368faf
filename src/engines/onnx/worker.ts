/** Entry of the engine's worker thread: runs block this thread, so that the main one stays alive. */
import { parentPort, type TransferListItem, workerData } from 'node:worker_threads'
import { LabError, messageOf } from '../../util/errors.js'
import { OrtApi } from './ort-api.js'
import type { Answer, Request, Response, WorkerOptions } from './protocol.js'
import { OnnxSession } from './session.js'

const port = parentPort!
const { threads, profilePrefix } = workerData as WorkerOptions

function send(response: Response, transfer: TransferListItem[] = []): void {
  port.postMessage(response, transfer)
}

function failure(error: unknown): { code: string; message: string } {
  return { code: error instanceof LabError ? error.code : 'ENGINE', message: messageOf(error) }
}

function handle(session: OnnxSession, request: Request): Answer {
  switch (request.kind) {
    case 'createVariable':
      session.createVariable(request.id, request.spec, request.init)
      return null
    case 'writeVariable':
      session.writeVariable(request.id, request.data)
      return null
    case 'disposeVariable':
      session.disposeVariable(request.id)
      return null
    case 'readVariable':
      return session.readVariable(request.id)
    case 'load':
      session.load(request.id, request.spec, profilePrefix === null ? undefined : `${profilePrefix}-${request.id}`)
      return null
    case 'run':
      return session.run(request.id, request.inputs, request.variables)
    case 'memory':
      return session.memory()
    case 'dispose':
      session.dispose()
      return null
  }
}

function buffersOf(value: Answer): TransferListItem[] {
  const arrays = Array.isArray(value) ? value : ArrayBuffer.isView(value) ? [value] : []
  return arrays.map(array => array.buffer as ArrayBuffer)
}

function start(): void {
  const session = new OnnxSession(new OrtApi(threads))
  port.on('message', (request: Request) => {
    try {
      const value = handle(session, request)
      if ('call' in request) send({ kind: 'answer', call: request.call, value }, buffersOf(value))
    } catch (error) {
      send(
        'call' in request
          ? { kind: 'failure', call: request.call, ...failure(error) }
          : { kind: 'fatal', ...failure(error) },
      )
    }
    if (request.kind === 'dispose') port.close()
  })
  send({ kind: 'ready', version: session.api.version })
}

try {
  start()
} catch (error) {
  send({ kind: 'fatal', ...failure(error) })
}
