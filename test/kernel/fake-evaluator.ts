/** An evaluator whose cells are commands, one a line; enough to try every path of the protocol. */
import type { CellEvaluator, CellOutput, CellResult, RunCellOptions } from '../../kernel/protocol/cell-evaluator.js'
import type { Kernel } from '../../kernel/protocol/kernel.js'

type Command = (argument: string, options: RunCellOptions) => unknown

const wait = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))
const html = (text: string) => ({ 'text/plain': text, 'text/html': `<b>${text}</b>` })
const display = (text: string, more: { displayId?: string; isUpdate?: boolean } = {}): CellOutput => ({
  kind: 'display',
  data: html(text),
  metadata: {},
  isUpdate: false,
  ...more,
})

export class FakeEvaluator implements CellEvaluator {
  readonly interruptBuffer = new SharedArrayBuffer(4)
  readonly #flag = new Int32Array(this.interruptBuffer)
  readonly #kernel: Kernel
  #count = 0
  #interruptAwaiting: (() => void) | null = null

  constructor(kernel: Kernel) {
    this.#kernel = kernel
  }

  readonly #commands: Record<string, Command> = {
    out: (text, { onOutput }) => onOutput({ kind: 'stream', name: 'stdout', text: `${text}\n` }),
    err: (text, { onOutput }) => onOutput({ kind: 'stream', name: 'stderr', text: `${text}\n` }),
    value: text => text,
    throw: text => {
      throw new RangeError(text)
    },
    display: (text, { onOutput }) => onOutput(display(text, { displayId: 'd1' })),
    update: (text, { onOutput }) => onOutput(display(text, { displayId: 'd1', isUpdate: true })),
    updateLater: (text, { onOutput }) => {
      setTimeout(() => onOutput(display(text, { displayId: 'd1', isUpdate: true })), 150)
    },
    circle: () => {
      const bundle: Record<string, unknown> = {}
      return Object.assign(bundle, { 'text/plain': 'a circle', 'application/json': bundle })
    },
    clear: (wait, { onOutput }) => onOutput({ kind: 'clear', wait: wait === 'wait' }),
    prompt: (text, { input }) => input!(text, false),
    promptLater: (text, { input, onOutput }) => {
      const refused = (error: Error) => onOutput({ kind: 'stream', name: 'stderr', text: error.message })
      setTimeout(() => input!(text, false).catch(refused), 50)
    },
    sleep: ms => this.#sleep(Number(ms)),
    later: (text, { onOutput }) => {
      setTimeout(() => onOutput({ kind: 'stream', name: 'stdout', text: `${text}\n` }), 150)
    },
    spin: ms => this.#spin(Number(ms)),
    burst: (lines, { onOutput }) => {
      for (let n = 0; n < Number(lines); n++)
        onOutput({ kind: 'stream', name: 'stdout', text: `${String(n).padStart(9, '0')}${'.'.repeat(90)}\n` })
    },
    broadcast: text => this.#kernel.broadcast('display_data', { data: html(text), metadata: {}, transient: {} }),
    bigint: () =>
      this.#kernel.broadcast('display_data', { data: { 'application/json': { n: 2n ** 64n } }, metadata: {} }),
    circular: () => {
      const loop: Record<string, unknown> = {}
      loop['loop'] = loop
      this.#kernel.broadcast('display_data', { data: loop, metadata: {} })
    },
    send: what => {
      const detached = new Uint8Array(3)
      structuredClone(detached, { transfer: [detached.buffer] })
      const options = {
        detached: { buffers: [detached] },
        object: { buffers: [{} as never] },
        metadata: { metadata: [] as never },
      }
      const comm = this.#kernel.comms.open('sender')
      if (what === 'content') this.#kernel.broadcast('display_data', undefined as never)
      else comm.send({}, options[what as keyof typeof options])
    },
    target: name => {
      this.#kernel.comms.registerTarget(name, comm => {
        comm.onMessage(({ data, buffers }) => comm.send({ echo: data }, { buffers }))
        comm.send({ hello: name })
      })
    },
    openComm: name => this.#kernel.comms.open(name, { from: 'kernel' }).id,
  }

  async run(code: string, options: RunCellOptions): Promise<CellResult> {
    if (options.storeHistory) this.#count++
    try {
      let value: unknown
      for (const line of code.split('\n')) {
        const [name = '', ...rest] = line.trim().split(' ')
        if (name !== '') value = await this.#commands[name]!(rest.join(' '), options)
      }
      const count = this.#count
      if (value === undefined) return { status: 'ok', count }
      const isBundle = typeof value === 'object' && value !== null
      return { status: 'ok', count, value: isBundle ? { ...value } : { 'text/plain': String(value) } }
    } catch (error) {
      const { name, message } = error as Error
      return { status: 'error', count: this.#count, error: { ename: name, evalue: message, traceback: [`at ${code}`] } }
    }
  }

  #sleep(ms: number): Promise<unknown> {
    const interrupted = new Promise((_, reject) => {
      this.#interruptAwaiting = () => reject(new Error('interrupted'))
    })
    return Promise.race([wait(ms), interrupted]).then(() => undefined)
  }

  /** Blocks the thread; only the shared flag ends it early. */
  #spin(ms: number): void {
    const end = Date.now() + ms
    while (Date.now() < end) if (Atomics.load(this.#flag, 0) === 1) throw new Error('interrupted')
  }

  complete(code: string, cursor: number) {
    const start = code.lastIndexOf(' ', cursor - 1) + 1
    const matches = Object.keys(this.#commands).filter(name => name.startsWith(code.slice(start, cursor)))
    return { matches, start, end: cursor, types: matches.map(text => ({ text, type: 'function', start, end: cursor })) }
  }

  inspect(code: string, _cursor: number, detail: 0 | 1) {
    const name = code.trim()
    return name in this.#commands
      ? { 'text/plain': `${name}: a command${detail ? ' of the fake evaluator' : ''}` }
      : null
  }

  isComplete(code: string) {
    if (code.endsWith('\\')) return { status: 'incomplete', indent: '  ' } as const
    return { status: code.split(' ')[0]! in this.#commands ? 'complete' : 'invalid' } as const
  }

  interrupt(): void {
    Atomics.store(this.#flag, 0, 0)
    this.#interruptAwaiting?.()
  }

  async dispose(): Promise<void> {}
}
