/**
 * What the two threads of the kernel tell each other. The server thread owns the sockets and the queue; the main thread runs
 * the user's code. Contents cross as JSON text, so that a value which is no JSON fails where it was given: in the user's cell.
 */
import type { ConnectionInfo } from './connection.js'
import type { Header, Json } from './wire.js'

/** What the server thread is started with. */
export interface ServerOptions {
  connection: ConnectionInfo
  /** Content of every kernel_info_reply. */
  info: Json
  /** File of the history; null keeps it in memory. */
  historyPath: string | null
  /** Process whose end ends the kernel; null for none. */
  parentPid: number | null
}

/** What the server thread has of its own besides: the ring through which text of cells comes. */
export interface ServerData extends ServerOptions {
  textRing: SharedArrayBuffer
}

/** A request that the main thread answers. */
export interface MainRequest {
  id: number
  header: Header
  content: Json
  metadata: Json
  buffers: Uint8Array[]
}

export type ToMain =
  | { type: 'bound' }
  | { type: 'request'; request: MainRequest }
  | { type: 'interrupt' }
  | { type: 'input'; value: string }
  | { type: 'shutdown'; restart: boolean }
  | { type: 'closed' }
  | { type: 'failed'; message: string }

/** What an execution did, for the queue and the history. */
export interface ExecutionOutcome {
  /** Whether the executions that wait are aborted. */
  abortQueue: boolean
  /** What goes into the history; null when nothing does. */
  stored: { line: number; source: string; output: string | null } | null
}

/** What has its place among the text of the ring: a barrier stands there for it. */
export type OrderedToServer =
  | { type: 'ready'; interruptBuffer: SharedArrayBuffer }
  | { type: 'reply'; id: number; msgType: string | null; content: string; outcome?: ExecutionOutcome }
  | { type: 'publish'; parent: Header | null; msgType: string; content: string; metadata: Json; buffers: Uint8Array[] }
  | { type: 'input'; id: number; prompt: string; password: boolean }
  | { type: 'input-cancelled' }

/** `text`: the ring has something to read. */
export type ToServer = OrderedToServer | { type: 'text' } | { type: 'close' }
