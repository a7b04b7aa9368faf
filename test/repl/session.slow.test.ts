import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { doctorText } from '../../repl/doctor-text.js'
import { ReplSession, type SessionEvents } from '../../repl/session/repl-session.js'
import { Emitter } from '../../src/index.js'
import { temporaryDirectory } from '../support/temporary.js'

describe('a session', () => {
  const cwd = temporaryDirectory('session')
  const events = new Emitter<SessionEvents>()
  const size = { columns: 60, rows: 30, color: false }
  let session: ReplSession
  let printed: string[] = []
  beforeAll(async () => {
    session = await ReplSession.open({
      cwd,
      events,
      threads: 1,
      canWalk: false,
      size: () => size,
      doctor: signal => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    })
    events.on('print', ({ kind, text }) => {
      if (kind !== 'input') printed.push(text)
    })
  })
  afterAll(() => session.dispose())
  beforeEach(() => {
    printed = []
  })

  /** Runs a line that has to end well, and gives what it printed. */
  async function run(line: string): Promise<string> {
    printed = []
    expect(await session.submit(line), printed.join('\n')).toBe(true)
    return printed.join('\n')
  }

  it('lists the variables that cells have declared, and nothing of the library', async () => {
    expect(await run(':vars')).toBe('no variables yet')
    await run('const t = tensor([1]); let n = 3; for (var i = 0; i < 2; i++); function f() {}; class C {}')
    const rows = (await run(':vars')).split('\n').slice(1)
    const names = rows.map(row => row.trim().split(/ +/)[0])
    expect(names.filter(name => name !== '' && !/^[-\u2500]/.test(name!)).sort()).toEqual(['C', 'f', 'i', 'n', 't'])
    expect(rows.join('\n')).toMatch(/^n +number +3$/m)
  })

  it('has the tables of the kernel', async () => {
    expect(await run('aq.table({ a: [1, 2] }).numRows()')).toBe('2')
  })

  it('stops the doctor', async () => {
    const ended = session.submit(':doctor')
    await vi.waitFor(() => expect(session.isRunning).toBe(true))
    session.interrupt()
    expect(await ended).toBe(false)
    expect(printed).toEqual(['interrupted'])
    const reason = new Error('stopped')
    await expect(doctorText(AbortSignal.abort(reason))).rejects.toBe(reason)
  })

  it('a run that a cell awaits is paused, resumed and stopped at once', async () => {
    await run(':load demo')
    await run('lab.probes({})')
    await run(':train steps=5000 seqLen=32 microBatch=1')
    const awaited = session.submit('await lab.run')
    const training = session.lab.run!
    await vi.waitFor(() => expect(training.status).toBe('training'), { timeout: 60_000 })
    expect(await session.submit(':pause')).toBe(true)
    expect(training.status).toBe('paused')
    expect(await session.submit(':resume')).toBe(true)
    expect(training.status).toBe('training')
    expect(await session.submit(' /stop ')).toBe(true)
    expect(await awaited).toBe(true)
    expect(training.status).toBe('interrupted')
    // with nothing to control they are commands like others, and say so
    expect(await session.submit(':pause')).toBe(false)
    expect(printed.at(-1)).toContain(':pause needs a run that is training')
  })

  it('says that an interrupt from another thread has found nothing to stop', async () => {
    let idle = 0
    const stopListening = events.on('idleInterrupt', () => void idle++)
    const interrupt = new Int32Array(session.interruptBuffer)
    const running = session.submit('await new Promise(() => {})')
    await vi.waitFor(() => expect(session.isRunning).toBe(true))
    interrupt[0] = 1
    expect(await running).toBe(false)
    expect(idle).toBe(0)
    interrupt[0] = 1
    await vi.waitFor(() => expect(idle).toBe(1), { timeout: 30_000 })
    expect(interrupt[0]).toBe(0)
    stopListening()
  })

  it('keeps an interrupt that comes while it warms up for who it was meant for', async () => {
    let idle = 0
    const stopListening = events.on('idleInterrupt', () => void idle++)
    const interrupt = new Int32Array(session.interruptBuffer)
    for (let round = 1; round <= 20; round++) {
      const warm = session.warmUp()
      // before it has begun, and at other moments of it
      if (round % 2 === 0) await new Promise(resolve => setTimeout(resolve, round % 5))
      interrupt[0] = 1
      await warm
      await vi.waitFor(() => expect(idle).toBe(round), { timeout: 30_000 })
      expect(interrupt[0]).toBe(0)
    }
    stopListening()
    expect(await run('40 + 2')).toContain('42')
  })

  it('does not write over the files of others', async () => {
    await run(':export mine')
    await run(':export mine')
    expect(await session.submit(':export no/where')).toBe(false)
    expect(printed.at(-1)).toMatch(/there is no folder .*no: make it first/)
    writeFileSync(join(cwd, 'theirs.ipynb'), 'theirs')
    expect(await session.submit(':export theirs')).toBe(false)
    expect(printed.at(-1)).toContain('is there already')
    expect(readFileSync(join(cwd, 'theirs.ipynb'), 'utf8')).toBe('theirs')
    await run(':export theirs overwrite=yes')
  })

  it('draws results and what is displayed for the width of the terminal', async () => {
    const blocks = '[{ layer: 0, source: 0, added: false, trainable: true, parameters: 10 }]'
    await run(`const figure = layerMapFigure({ blocks: ${blocks}, totalParameters: 10, trainableParameters: 10 })`)
    const widthOf = (text: string) => Math.max(...text.split('\n').map(line => line.length))
    for (const line of ['figure', 'display(figure); 1']) {
      size.columns = 60
      expect(widthOf(await run(line))).toBeLessThanOrEqual(60)
      size.columns = 120
      expect(widthOf(await run(line))).toBeGreaterThan(100)
    }
  })
})
