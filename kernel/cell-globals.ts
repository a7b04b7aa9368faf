/** What the kernel adds to the names of a cell: comms, and the notebook API of Deno. */
import { type DenoHost, denoShim } from './protocol/deno-shim.js'
import type { Kernel } from './protocol/kernel.js'

/** The names as TypeScript sees them: declarations of the evaluator. */
export const cellDeclarations = `
interface CommMessage { data: Record<string, any>; metadata: Record<string, any>; buffers: Uint8Array[] }
interface CommOptions { metadata?: Record<string, any>; buffers?: Uint8Array[] }
/** A two-way channel between this kernel and the page. */
interface Comm {
  readonly id: string
  readonly target: string
  readonly isOpen: boolean
  send(data: Record<string, any>, options?: CommOptions): void
  onMessage(handler: (message: CommMessage) => void | Promise<void>): void
  onClose(handler: (message: CommMessage) => void | Promise<void>): void
  close(data?: Record<string, any>, options?: CommOptions): void
}
/** Two-way channels between this kernel and the page, as widgets use them. */
declare const comms: {
  /** Opens a channel to the page. */
  open(target: string, data?: Record<string, any>, options?: CommOptions): Comm
  /** Says what is done when the page opens a channel; returns the function that takes it back. */
  registerTarget(target: string, handler: (comm: Comm, opened: CommMessage) => void | Promise<void>): () => void
}
/** Deno's notebook API, for code that was written for its kernel. */
declare const Deno: {
  readonly jupyter: {
    readonly $display: unique symbol
    /** Sends a message of any type to the front ends. */
    broadcast(msgType: string, content: Record<string, any>, options?: CommOptions): Promise<void>
    display(value: unknown, options?: { raw?: boolean; update?: boolean; display_id?: string }): Promise<void>
    html(strings: TemplateStringsArray, ...values: unknown[]): object
    md(strings: TemplateStringsArray, ...values: unknown[]): object
    svg(strings: TemplateStringsArray, ...values: unknown[]): object
  }
}
`

/** The values of the names. */
export function cellGlobals(kernel: Kernel): Record<string, unknown> {
  const broadcast: DenoHost['broadcast'] = (msgType, content, options) => kernel.broadcast(msgType, content, options)
  // `display` is a global of the evaluator; it is there when a cell runs
  const display: DenoHost['display'] = (value, options) => (globalThis as unknown as DenoHost).display(value, options)
  return { comms: kernel.comms, Deno: denoShim({ broadcast, display }) }
}
