/**
 * Ctrl-C and the end of the terminal for a session without raw mode: there they are signals, which Node tells the main thread only, and
 * only when that is free.
 */
import { closeSync, openSync } from 'node:fs'
import { Worker } from 'node:worker_threads'
import { LateInterrupt, lateInterruptSource } from './late-interrupt.js'

/** Milliseconds by which the relay may see a signal later than the main thread, on a machine with much to do. */
const relayMs = 300

/** Milliseconds between two looks whether the terminal is still there: a session's leader is told so by a signal, its children are not. */
const lookMs = 1000

/**
 * A process of the same group gets the terminal's signals too; it tells a thread when each of them came. Plain JavaScript in strings, for the
 * sources and the build alike.
 */
const child = `
process.on('SIGINT', () => process.stdout.write(Date.now() + ' '))
process.stdin.resume().on('end', () => process.exit())
`
const relay = `
${lateInterruptSource({ relayMs })}
const { spawn } = require('node:child_process')
const { closeSync, openSync } = require('node:fs')
const { isatty } = require('node:tty')
const env = { ...process.env, NODE_OPTIONS: '' }
const listen = () => {
  const told = spawn(process.execPath, ['-e', ${JSON.stringify(child)}], { env, stdio: ['pipe', 'pipe', 'ignore'] })
  told.on('error', () => {})
  told.stdout.on('data', times => onPress(Number.parseInt(times, 10)))
  told.on('exit', (code, signal) => {
    // the first one may come before it listens
    if (signal === 'SIGINT') onPress(Date.now())
    else if (signal === 'SIGHUP' || signal === 'SIGTERM') stopCell()
    else return
    listen()
  })
}
listen()
const look = () => {
  try {
    closeSync(openSync('/dev/tty', 'r'))
  } catch ({ code }) {
    if (code !== 'ENXIO') return
    stopCell()
    clearInterval(looking)
  }
}
// a script whose output goes elsewhere may outlive its terminal
const looking = [0, 1, 2].some(fd => isatty(fd)) ? setInterval(look, ${lookMs}) : undefined
require('node:worker_threads').parentPort.on('message', interruptThrough)
`

/** Stops cells that keep the main thread busy when Ctrl-C is pressed; other signals of that name are the main thread's alone. */
export class InterruptRelay {
  readonly #late = new LateInterrupt()
  readonly #worker: Worker

  constructor(interruptBuffer: SharedArrayBuffer) {
    this.#worker = new Worker(relay, { eval: true, workerData: this.#late.shared, execArgv: [] })
    this.#worker.unref()
    this.#late.through(interruptBuffer)
    this.#worker.postMessage(interruptBuffer)
  }

  /** The main thread has come to a SIGINT; false when it has been served already. */
  answer(): boolean {
    return this.#late.answer()
  }

  async dispose(): Promise<void> {
    await this.#worker.terminate()
  }
}

/** Whether there is a terminal at which somebody may press Ctrl-C, wherever the lines come from. */
export function hasTerminal(): boolean {
  if (process.stdin.isTTY) return true
  try {
    closeSync(openSync('/dev/tty', 'r'))
    return true
  } catch {
    return false
  }
}
