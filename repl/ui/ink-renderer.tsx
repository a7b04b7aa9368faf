/** Ink as a function from a view to the lines of a frame. */
import { EventEmitter } from 'node:events'
import { render } from 'ink'
import { App } from './app.js'
import type { View } from './view.js'

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

/** Lays a view out. Rendering is synchronous: the lines are those of this view. */
export interface InkRenderer {
  lines(view: View): string[]
  close(): void
}

export function createInkRenderer(first: View): InkRenderer {
  const stream = new FrameStream()
  const resize = ({ columns, rows }: View) => Object.assign(stream, { columns, rows })
  resize(first)
  const instance = render(<App view={first} />, {
    stdout: stream as unknown as NodeJS.WriteStream,
    stdin: new EventEmitter() as unknown as NodeJS.ReadStream,
    debug: true,
    exitOnCtrlC: false,
    patchConsole: false,
  })
  return {
    lines(view) {
      resize(view)
      instance.rerender(<App view={view} />)
      return stream.frame.split('\n')
    },
    close: () => instance.unmount(),
  }
}
