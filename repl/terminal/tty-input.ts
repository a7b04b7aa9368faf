/** Keys from the terminal, also while the main thread is busy. */
import { Worker } from 'node:worker_threads'
import { LateInterrupt, lateInterruptSource } from '../late-interrupt.js'

/**
 * Plain JavaScript in a string: it starts at once, from sources and from the build alike. It reads the terminal by itself, so that a
 * Ctrl-C that the main thread does not answer in time can stop the cell that keeps it busy, as can the loss of the terminal.
 */
const reader = `
${lateInterruptSource()}
const { parentPort } = require('node:worker_threads')
const { ReadStream } = require('node:tty')
const stream = new ReadStream(0)
stream.setEncoding('utf8')
stream.on('data', text => {
  // before the main thread can answer
  const pressed = Date.now()
  parentPort.postMessage(text)
  if (text.includes('\\u0003')) onPress(pressed)
})
const onLost = () => {
  parentPort.postMessage(null)
  stopCell()
}
stream.on('end', onLost)
stream.on('error', onLost)
parentPort.on('message', message => {
  if (message === 'pause') stream.pause()
  else if (message === 'resume') stream.resume()
  else if (message === 'end') {
    stream.destroy()
    parentPort.close()
    return
  } else interruptThrough(message)
  parentPort.postMessage({ done: message })
})
`

export interface TtyInputOptions {
  onText: (text: string) => void
  /** The terminal is gone. */
  onEnd: () => void
  /** Whether a Ctrl-C is a key although it has stopped what kept this thread busy. */
  keepsEveryKey: () => boolean
}

const doNothing = () => {}

/** Reads the controlling terminal in raw mode. */
export class TtyInput {
  readonly #worker: Worker
  readonly #late = new LateInterrupt()
  #acknowledge: (() => void) | null = null

  constructor({ onText, onEnd, keepsEveryKey }: TtyInputOptions) {
    process.stdin.setRawMode(true)
    // in raw mode Ctrl-C is a key; while the terminal is lent it is a signal, which is meant for the other program
    process.on('SIGINT', doNothing)
    this.#worker = new Worker(reader, { eval: true, workerData: this.#late.shared, execArgv: [] })
    this.#worker.on('message', (message: string | null | object) => {
      if (message === null) onEnd()
      else if (typeof message !== 'string') this.#acknowledge?.()
      else {
        const isServed = message.includes('\u0003') && !this.#late.answer()
        onText(isServed && !keepsEveryKey() ? message.replace('\u0003', '') : message)
      }
    })
  }

  /** Says where a Ctrl-C is told to when this thread does not answer. */
  interruptThrough(buffer: SharedArrayBuffer): void {
    this.#late.through(buffer)
    this.#worker.postMessage(buffer)
  }

  /** Leaves the terminal to another program while `work` lasts. */
  async lend<T>(work: () => T | Promise<T>): Promise<T> {
    await this.#ask('pause')
    process.stdin.setRawMode(false)
    try {
      return await work()
    } finally {
      process.stdin.setRawMode(true)
      await this.#ask('resume')
    }
  }

  async dispose(): Promise<void> {
    const ended = new Promise(resolve => this.#worker.once('exit', resolve))
    this.#worker.postMessage('end')
    await ended
    process.off('SIGINT', doNothing)
    process.stdin.setRawMode(false)
  }

  #ask(what: 'pause' | 'resume'): Promise<void> {
    return new Promise(resolve => {
      this.#acknowledge = resolve
      this.#worker.postMessage(what)
    })
  }
}
