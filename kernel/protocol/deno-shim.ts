/** The part of Deno's notebook API that snippets of other kernels use, on this kernel: `Deno.jupyter`. */
import type { MimeBundle } from './cell-evaluator.js'
import type { Json } from './wire.js'

export type Broadcast = (msgType: string, content: Json, options: { metadata?: Json; buffers?: Uint8Array[] }) => void

/** Objects that know how to show themselves have a method of this name, which returns a MIME bundle. */
export const displaySymbol: unique symbol = Symbol.for('Jupyter.display') as never

export interface Displayable {
  [displaySymbol](): MimeBundle | Promise<MimeBundle>
}

interface DisplayOptions {
  /** `value` is a MIME bundle already. */
  raw?: boolean
  update?: boolean
  display_id?: string
}

type Template = (strings: TemplateStringsArray, ...values: unknown[]) => Displayable

export interface DenoJupyter {
  $display: typeof displaySymbol
  /** Sends a message of any type to the front ends, under the cell that calls. */
  broadcast(msgType: string, content: Json, options?: { metadata?: Json; buffers?: Uint8Array[] }): Promise<void>
  display(value: unknown, options?: DisplayOptions): Promise<void>
  /** The MIME bundle that shows a value. */
  format(value: unknown): Promise<MimeBundle>
  html: Template
  md: Template
  svg: Template
}

/** What `Deno` is in a cell. `format` shows values that have no method {@link displaySymbol}. */
export function denoShim(broadcast: Broadcast, format: (value: unknown) => MimeBundle): { jupyter: DenoJupyter } {
  const bundleOf = async (value: unknown) => (isDisplayable(value) ? value[displaySymbol]() : format(value))
  const jupyter: DenoJupyter = {
    $display: displaySymbol,
    broadcast: async (msgType, content, options = {}) => broadcast(msgType, content, options),
    async display(value, { raw = false, update = false, display_id } = {}) {
      const data = raw ? (value as MimeBundle) : await bundleOf(value)
      const transient = display_id === undefined ? {} : { display_id }
      broadcast(update ? 'update_display_data' : 'display_data', { data, metadata: {}, transient }, {})
    },
    format: bundleOf,
    html: template('text/html'),
    md: template('text/markdown'),
    svg: template('image/svg+xml'),
  }
  return { jupyter }
}

function isDisplayable(value: unknown): value is Displayable {
  return typeof (value as Partial<Displayable> | null | undefined)?.[displaySymbol] === 'function'
}

/** A tagged template whose text is shown as one MIME type. */
function template(mimeType: string): Template {
  return (strings, ...values) => {
    const text = String.raw({ raw: strings }, ...values)
    return { [displaySymbol]: () => ({ [mimeType]: text, 'text/plain': text }) }
  }
}
