/** What the terminal must get back, however the session ends, and what must not be written over its frame meanwhile. */
import { Console } from 'node:console'
import { Writable } from 'node:stream'
import { exitCodes } from '../cli/exit-codes.js'
import { surviveLostTerminal } from '../lost-terminal.js'
import type { Terminal } from './screen.js'

export interface GuardOptions {
  onResize: () => void
  /** The process ends. */
  onExit: () => void
  /** The process is asked to end; the exit code is the custom of shells. */
  onSignal: (exitCode: number) => void
  /** The terminal is gone: nothing can be drawn any more. */
  onLost: () => void
  /** A warning of Node. */
  onWarning: (text: string) => void
  /** What is written to the console outside of cells. */
  onText: (text: string) => void
}

const signals = { SIGTERM: exitCodes.terminated, SIGHUP: exitCodes.hungUp } as const

/** Takes over signals, warnings and the console; returns the function that gives them back. */
export function guardTerminal({ onResize, onExit, onSignal, onLost, onWarning, onText }: GuardOptions): () => void {
  const handlers = Object.entries(signals).map(
    ([name, code]) => [name as NodeJS.Signals, () => onSignal(code)] as const,
  )
  const warn = (warning: Error) => onWarning(`${warning.name}: ${warning.message}`)
  const warningListeners = process.listeners('warning')
  const { console } = globalThis
  const stopSurviving = surviveLostTerminal(onLost)
  process.stdout.on('resize', onResize)
  process.once('exit', onExit)
  for (const [name, handler] of handlers) process.on(name, handler)
  process.removeAllListeners('warning')
  process.on('warning', warn)
  globalThis.console = new Console(lineSink(onText))
  return () => {
    globalThis.console = console
    stopSurviving()
    process.stdout.off('resize', onResize)
    process.off('exit', onExit)
    for (const [name, handler] of handlers) process.off(name, handler)
    process.off('warning', warn)
    for (const listener of warningListeners) process.on('warning', listener)
  }
}

function lineSink(onText: (text: string) => void): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, done) {
      onText(chunk.toString().trimEnd())
      done()
    },
  })
}

/**
 * Writes to the terminal as it is now: later, what is written in the context of a cell is taken for its output, and what a run
 * does is in the context of the cell that started it.
 */
export function terminalOf(stdout: NodeJS.WriteStream): Terminal {
  const write = stdout.write.bind(stdout)
  return {
    write: text => write(text),
    get columns() {
      return stdout.columns
    },
    get rows() {
      return stdout.rows
    },
  }
}

/**
 * Asks the terminal for its size, and tells of another one by `resize` before what depends on it is drawn: the signal comes later, and
 * lines that were drawn for the old width in between would wrap.
 */
export function refreshSize(stream: object): void {
  // what Node does at that signal; it has no name in its documentation
  const { _refreshSize: refresh } = stream as { _refreshSize?: () => void }
  refresh?.call(stream)
}
