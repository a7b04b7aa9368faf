/** The part of Deno's notebook API that snippets of other kernels use, on this kernel: `Deno.jupyter`. */
import type { MimeBundle } from './cell-evaluator.js'
import type { Json } from './wire.js'

interface SendOptions {
  metadata?: Json
  buffers?: Uint8Array[]
}

/** What the shim is built on. */
export interface DenoHost {
  /** Sends a message of any type to the front ends, under the cell that calls. */
  broadcast(msgType: string, content: Json, options: SendOptions): void
  /** The cell's own `display`, which keeps outputs in order. */
  display(value: unknown, options: { raw?: boolean; update?: boolean; displayId?: string; metadata?: Json }): unknown
}

/** Objects that know how to show themselves have a method of this name, which returns a MIME bundle. */
export const displaySymbol: unique symbol = Symbol.for('Jupyter.display') as never

export interface Displayable {
  [displaySymbol](): MimeBundle
}

type Template = (strings: TemplateStringsArray, ...values: unknown[]) => Displayable

export interface DenoJupyter {
  $display: typeof displaySymbol
  broadcast(msgType: string, content: Json, options?: SendOptions): Promise<void>
  display(value: unknown, options?: { raw?: boolean; update?: boolean; display_id?: string }): Promise<void>
  html: Template
  md: Template
  svg: Template
}

/** What `Deno` is in a cell. */
export function denoShim({ broadcast, display }: DenoHost): { jupyter: DenoJupyter } {
  return {
    jupyter: {
      $display: displaySymbol,
      async broadcast(msgType, content, options = {}) {
        if (msgType !== 'display_data' && msgType !== 'update_display_data') return broadcast(msgType, content, options)
        const { data, metadata = {}, transient } = content as { data: MimeBundle; metadata?: Json; transient?: Json }
        const update = msgType === 'update_display_data'
        display(data, { raw: true, update, metadata, ...withId(transient?.['display_id']) })
      },
      async display(value, { raw = false, update = false, display_id } = {}) {
        display(value, { raw, update, ...withId(display_id) })
      },
      html: template('text/html'),
      md: template('text/markdown'),
      svg: template('image/svg+xml'),
    },
  }
}

function withId(id: unknown): { displayId?: string } {
  return typeof id === 'string' ? { displayId: id } : {}
}

/** A tagged template whose text is shown as one MIME type. */
function template(mimeType: string): Template {
  return (strings, ...values) => {
    const text = String.raw({ raw: strings }, ...values)
    return { [displaySymbol]: () => ({ [mimeType]: text, 'text/plain': text }) }
  }
}
