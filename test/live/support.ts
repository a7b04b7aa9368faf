import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import type { ServerMessage } from '../../src/live/protocol.js'
import { type MetricRecord, MetricsWriter } from '../../src/train/metrics.js'
import { probe, train } from '../forgetting/support.js'

/** A run that is written by hand: a probe at step 0, then steps with probes between them. */
export class FakeRun {
  readonly dir: string
  writer: MetricsWriter
  step = 0
  readonly #probeEverySteps: number

  constructor(runs: string, name: string, { steps = 100_000, probeEverySteps = 10 } = {}) {
    this.#probeEverySteps = probeEverySteps
    this.dir = join(runs, name)
    mkdirSync(this.dir, { recursive: true })
    writeFileSync(join(this.dir, 'run.json'), JSON.stringify({ recipe: { steps, method: 'expansion' } }))
    this.writer = MetricsWriter.create(join(this.dir, 'metrics.jsonl'))
    this.#probe()
  }

  train(steps: number): void {
    for (let i = 0; i < steps; i++) {
      this.step++
      const noise = Math.sin(this.step * 12.9898) * 0.3
      this.writer.write(
        train(this.step, 3 + 3 * Math.exp(-this.step / 300) + noise, { code: this.step, math: this.step / 2 }),
      )
      if (this.step % this.#probeEverySteps === 0) this.#probe()
    }
  }

  /** One step with a loss far from the others. */
  spike(lossNats: number): void {
    this.step++
    this.writer.write(train(this.step, lossNats))
  }

  /** As a resume from a checkpoint does it. */
  cutBackTo(step: number): void {
    this.writer.close()
    this.writer = MetricsWriter.resumeAt(this.writer.path, step)
    this.writer.write({ kind: 'event', step, tokens: step, seconds: step, name: 'resumed', detail: {} })
    this.step = step
  }

  #probe(): void {
    const gain = 1 - Math.exp(-this.step / 500)
    const shift = { klToBaseNats: 0.02 * gain, unshifted: 0.9, marginal: 0.06, shifted: 0.04 }
    this.writer.write(probe(this.step, 'general', 0.05 * gain, shift))
    this.writer.write(probe(this.step, 'code', -0.8 * gain, shift))
    this.writer.write({
      kind: 'contribution',
      step: this.step,
      tokens: 0,
      seconds: 0,
      probe: 'code',
      layer: 3,
      ratio: gain,
    })
  }
}

type Message =
  | ServerMessage
  | { type: 'records'; run: string; from: number; next: number; mark: number; records: MetricRecord[] }

/** A program that watches as the page does. */
export class Watcher {
  readonly messages: Message[] = []
  readonly socket: WebSocket
  #wake = () => {}

  constructor(address: string, options: { origin?: string; host?: string } = {}) {
    const { host, ...rest } = options
    this.socket = new WebSocket(address, { ...rest, ...(host ? { headers: { host } } : {}) })
    this.socket.on('message', data => {
      this.messages.push(JSON.parse(data.toString()) as Message)
      this.#wake()
    })
  }

  /** Of a server whose page is at `url`. */
  static of(url: string): Watcher {
    return new Watcher(url.replace('http:', 'ws:').replace('/?', '/live?'))
  }

  async opened(): Promise<this> {
    await new Promise<void>((resolve, reject) => {
      this.socket.once('open', () => resolve())
      this.socket.once('error', reject)
    })
    return this
  }

  say(message: object): void {
    this.socket.send(JSON.stringify(message))
  }

  /** Waits for a message; those from before count. */
  async until<T extends Message['type']>(
    type: T,
    test: (message: Extract<Message, { type: T }>) => boolean = () => true,
  ): Promise<Extract<Message, { type: T }>> {
    for (;;) {
      const found = this.messages.find(
        (message): message is Extract<Message, { type: T }> => message.type === type && test(message as never),
      )
      if (found) return found
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  /** The numbers of all records of a run, in the order in which they came. */
  numbers(run: string): number[] {
    return this.messages.flatMap(message =>
      message.type === 'records' && message.run === run ? message.records.map(record => record.seq) : [],
    )
  }

  /** How far the records of a run have come. */
  position(run: string): { next: number; mark: number } {
    const last = this.messages.filter(message => message.type === 'records' && message.run === run).at(-1)
    if (last?.type !== 'records') throw new Error(`no records of ${run} yet`)
    return { next: last.next, mark: last.mark }
  }

  close(): void {
    this.socket.terminate()
  }
}
