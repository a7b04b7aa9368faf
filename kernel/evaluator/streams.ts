import { Console } from 'node:console'
import { Writable } from 'node:stream'
import { type Cell, cellStorage } from './cell.js'

type StreamName = 'stdout' | 'stderr'

/**
 * Sends what cells print to their cells: the global `console` and direct writes to `process.stdout` and `stderr`.
 * `current` is the cell that runs now, for callbacks that lost their context. Returns the function that undoes it.
 */
export function captureStreams(current: () => Cell | undefined): () => void {
  const undo = [captureConsole(current), captureWrites('stdout'), captureWrites('stderr')]
  return () => {
    for (const one of undo) one()
  }
}

function captureConsole(current: () => Cell | undefined): () => void {
  const original = globalThis.console
  const consoles = new WeakMap<Cell, Console>()
  const consoleOf = (cell: Cell): Console => {
    const known = consoles.get(cell)
    if (known) return known
    const made = cellConsole(cell)
    consoles.set(cell, made)
    return made
  }
  // Groups, counters and timers belong to the cell that opened them.
  const routed = new Proxy(original, {
    get(target, key, receiver) {
      const cell = cellStorage.getStore() ?? current()
      const value: unknown = cell ? Reflect.get(consoleOf(cell), key) : Reflect.get(target, key, receiver)
      return value
    },
  })
  globalThis.console = routed
  return () => {
    if (globalThis.console === routed) globalThis.console = original
  }
}

function cellConsole(cell: Cell): Console {
  const stdout = sink(cell, 'stdout')
  const console = new Console({ stdout, stderr: sink(cell, 'stderr'), inspectOptions: { depth: 4 } })
  console.clear = () => cell.clear(false)
  return console
}

function sink(cell: Cell, name: StreamName): Writable {
  return new Writable({
    decodeStrings: false,
    write(chunk: string, _encoding, done) {
      cell.write(name, chunk)
      done()
    },
  })
}

function captureWrites(name: StreamName): () => void {
  const stream = process[name]
  const original = stream.write
  const routed = (chunk: string | Uint8Array, ...rest: unknown[]): boolean => {
    const cell = cellStorage.getStore()
    if (!cell) return Reflect.apply(original, stream, [chunk, ...rest]) as boolean
    cell.write(name, typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString('utf8'))
    const done = rest.find(value => typeof value === 'function') as (() => void) | undefined
    if (done) process.nextTick(done)
    return true
  }
  stream.write = routed as typeof stream.write
  return () => {
    if (stream.write === routed) stream.write = original
  }
}
