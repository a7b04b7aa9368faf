/** Ink as a function from the lines of a frame to the same lines laid out. */
import { EventEmitter } from 'node:events'
import { render } from 'ink'
import { App } from './app.js'

export interface Size {
  columns: number
  rows: number
}

/** Where Ink writes: in its debug mode every write is a whole frame. */
class FrameStream extends EventEmitter {
  frame = ''
  columns = 80
  rows = 24
  readonly isTTY = false

  write(frame: string): boolean {
    this.frame = frame
    return true
  }
}

/** Lays lines out. Rendering is synchronous: what comes back is of these lines. */
export interface InkRenderer {
  lines(frame: readonly string[], size: Size): string[]
  close(): void
}

export function createInkRenderer(): InkRenderer {
  const stream = new FrameStream()
  const instance = render(<App lines={[]} />, {
    stdout: stream as unknown as NodeJS.WriteStream,
    stdin: new EventEmitter() as unknown as NodeJS.ReadStream,
    debug: true,
    exitOnCtrlC: false,
    patchConsole: false,
  })
  /** Lines of the frame before. Ink takes every character of what it is given apart, so it is given only what has changed. */
  let known = new Map<string, string>()
  return {
    lines(frame, { columns, rows }) {
      if (columns !== stream.columns) known.clear()
      Object.assign(stream, { columns, rows })
      const changed = [...new Set(frame.filter(line => !known.has(line)))]
      if (changed.length > 0) {
        instance.rerender(<App lines={changed} />)
        const laidOut = stream.frame.split('\n')
        for (const [row, line] of changed.entries()) known.set(line, laidOut[row] ?? '')
      }
      known = new Map(frame.map(line => [line, known.get(line)!]))
      return frame.map(line => known.get(line)!)
    },
    close: () => instance.unmount(),
  }
}
