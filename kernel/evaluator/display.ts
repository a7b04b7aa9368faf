import { randomUUID } from 'node:crypto'
import type { Cell } from './cell.js'
import type { MimeBundle } from './types.js'

export interface DisplayOptions {
  /** The value already is a bundle (`{ 'text/html': ... }`) and is sent as it is (default false). */
  raw?: boolean
  metadata?: Record<string, unknown>
  /** Name by which the output can be updated later; default a new one. */
  displayId?: string
  /** Replaces the outputs shown under `displayId` instead of adding one (default false). */
  update?: boolean
}

/** An output on the screen. */
export interface DisplayHandle {
  readonly id: string
  /** Shows another value in the same place. */
  update(value: unknown, options?: DisplayOptions): void
}

/** `display(value)` and its short forms, as cells call them. */
export interface Display {
  (value: unknown, options?: DisplayOptions): DisplayHandle
  html(source: string, options?: DisplayOptions): DisplayHandle
  markdown(source: string, options?: DisplayOptions): DisplayHandle
  latex(source: string, options?: DisplayOptions): DisplayHandle
  svg(source: string, options?: DisplayOptions): DisplayHandle
  /** A PNG or JPEG file; the type is read from its first bytes. */
  image(bytes: Uint8Array, options?: DisplayOptions): DisplayHandle
  /** Removes what the cell has shown; with `wait`, when its next output comes. */
  clear(options?: { wait?: boolean }): void
}

export type Render = (value: unknown) => MimeBundle | Promise<MimeBundle>

const handles = new WeakSet<object>()

/** Whether a value is what `display()` returned: as the result of a cell it is not shown again. */
export function isDisplayHandle(value: unknown): boolean {
  return typeof value === 'object' && value !== null && handles.has(value)
}

export interface DisplayWorld {
  /** The cell that the caller belongs to. */
  cellOf: () => Cell
  render: Render
  /** Told of what cannot be shown when its cell has ended. */
  onLateError: (cell: Cell, error: unknown) => void
}

/** The `display` global. */
export function createDisplay({ cellOf, render, onLateError }: DisplayWorld): Display {
  const inTurn = <T>(cell: Cell, value: T | Promise<T>, send: (value: T) => void) =>
    inOrder(cell, value, { send, onLateError: error => onLateError(cell, error) })
  const show = (value: unknown, options: DisplayOptions = {}): DisplayHandle => {
    const cell = cellOf()
    const { raw = false, metadata = {}, update = false, displayId = randomUUID() } = options
    const send = (data: MimeBundle) => cell.display(data, { metadata, displayId, isUpdate: update })
    const data = raw ? withPlainText(value as MimeBundle) : render(value)
    inTurn(cell, data, send)
    const handle: DisplayHandle = {
      id: displayId,
      update: (next, change = {}) => void show(next, { ...change, displayId, update: true }),
    }
    handles.add(handle)
    return handle
  }
  const short =
    (mime: string) =>
    (source: string, options: DisplayOptions = {}) =>
      show({ [mime]: source, 'text/plain': source }, { ...options, raw: true })
  return Object.assign(show, {
    html: short('text/html'),
    markdown: short('text/markdown'),
    latex: short('text/latex'),
    svg: short('image/svg+xml'),
    image: (bytes: Uint8Array, options: DisplayOptions = {}) => show(imageBundle(bytes), { ...options, raw: true }),
    clear({ wait = false } = {}) {
      const cell = cellOf()
      inTurn(cell, wait, how => cell.clear(how))
    },
  })
}

/** Values that take time to render (tensors) keep their place: what is shown after them waits. */
function inOrder<T>(
  cell: Cell,
  value: T | Promise<T>,
  { send, onLateError }: { send: (value: T) => void; onLateError: (error: unknown) => void },
): void {
  if (cell.pending.size === 0 && !(value instanceof Promise)) {
    send(value)
    return
  }
  const before = [...cell.pending]
  const task = Promise.all([value, ...before.map(one => one.catch(() => undefined))]).then(([ready]) =>
    send(ready as T),
  )
  cell.pending.add(task)
  task.then(
    () => cell.pending.delete(task),
    (error: unknown) => {
      // one that fails stays: the end of the cell tells of it
      if (!cell.hasEnded) return
      cell.pending.delete(task)
      onLateError(error)
    },
  )
}

/** A bundle with the plain text that every front end can show. */
export function withPlainText(bundle: MimeBundle): MimeBundle {
  if ('text/plain' in bundle) return bundle
  const [[mime, value] = ['nothing', '']] = Object.entries(bundle)
  const isText = typeof value === 'string' && mime.startsWith('text/')
  return { ...bundle, 'text/plain': isText ? value : `[${mime}]` }
}

function imageBundle(bytes: Uint8Array): MimeBundle {
  const mime =
    bytes[0] === 0x89 ? 'image/png' : bytes[0] === 0xff ? 'image/jpeg' : bytes[0] === 0x47 ? 'image/gif' : null
  if (mime === null) throw new TypeError('display.image: expected the bytes of a PNG, JPEG or GIF file')
  return { [mime]: Buffer.from(bytes).toString('base64'), 'text/plain': `[${mime}, ${bytes.length} bytes]` }
}
