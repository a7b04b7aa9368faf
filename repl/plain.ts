/** The session as plain lines: for pipes, files, dumb terminals and screen readers. Nothing is drawn twice or moved. */
import { AsyncResource } from 'node:async_hooks'
import { createInterface } from 'node:readline'
import { Emitter, formatCount, formatDuration, type TrainingRun } from '../src/index.js'
import { exitCodes } from './cli/exit-codes.js'
import type { Stream } from './cli/output.js'
import { isCommandLine } from './commands/command-line.js'
import { doctorText } from './doctor-text.js'
import { setEcho } from './echo.js'
import { hasTerminal, InterruptRelay } from './interrupt-relay.js'
import { LineQueue } from './line-queue.js'
import { surviveLostTerminal } from './lost-terminal.js'
import { progressText } from './session/progress-text.js'
import { ReplSession, type SessionEvents } from './session/repl-session.js'

export interface PlainOptions {
  cwd: string
  stdin: NodeJS.ReadableStream & { isTTY?: boolean }
  stdout: Stream
  stderr: Stream
  device?: string
  threads?: number
}

/** Seconds between two lines about a run or a download, and before the first about a download. */
const progressSeconds = 10
const patienceSeconds = 1

/** Milliseconds that a line which continues the block before it may come later: a program that waits for the answer gets it then. */
const continuationMs = 50

/** Lines that cannot begin a statement: they continue the block before them. */
const continues = /^\s*(?:[.})\]?&|*+,]|else\b|catch\b|finally\b|while\s*\()/

/**
 * Runs what comes from stdin, line by line, and returns the exit code. From a terminal it asks with a prompt and goes on after an
 * error; from a pipe or file it echoes nothing and stops at the first error with code 1.
 */
export async function runPlain(options: PlainOptions): Promise<number> {
  const { stdin, cwd, device, threads } = options
  const isTyped = stdin.isTTY === true
  const events = new Emitter<SessionEvents>()
  let isLeaving = false
  const reader = createInterface({ input: stdin, terminal: false })
  const lines = new LineQueue(reader)
  printEvents(events, options, isTyped)
  events.on('leave', () => {
    isLeaving = true
  })
  answerQuestions(events, lines, options)
  const session = await ReplSession.open({
    cwd,
    events,
    doctor: signal => doctorText(signal, { threads }),
    canWalk: false,
    size: () => ({ columns: options.stdout.columns || 100, rows: options.stdout.rows || 32, color: false }),
    ...(device === undefined ? {} : { device }),
    ...(threads === undefined ? {} : { threads }),
  })
  followRuns(session, options)
  const relay = hasTerminal() ? new InterruptRelay(session.interruptBuffer) : null
  const stopSurviving = surviveLostTerminal()
  let terminated: number | null = null
  const onInterrupt = () => {
    if (relay?.answer() ?? true) stopSomething(session, options)
  }
  const onEnd = (signal: NodeJS.Signals) => {
    terminated = signal === 'SIGHUP' ? exitCodes.hungUp : exitCodes.terminated
    session.interrupt()
    reader.close()
  }
  // a press that found this thread busy outside of a cell is not to be lost; it may have stopped what a cell left behind, so that it ends nothing
  const stopListening = events.on('idleInterrupt', () => void stopRun(session, options))
  process.on('SIGINT', onInterrupt)
  for (const name of endings) process.on(name, onEnd)
  let isGood = true
  try {
    for await (const block of blocksOf(lines, session, isTyped ? options.stdout : null)) {
      if (block.trim() !== '') isGood = await session.submit(block)
      if (isLeaving || terminated !== null || (!isGood && !isTyped)) break
    }
    if (isGood && terminated === null && !isTyped && session.lab.run && !session.lab.run.isOver)
      await session.submit('await lab.run')
  } finally {
    stopListening()
    process.off('SIGINT', onInterrupt)
    reader.close()
    await session.dispose()
    await relay?.dispose()
    for (const name of endings) process.off(name, onEnd)
    stopSurviving()
  }
  if (terminated !== null) return terminated
  return isGood || isTyped ? exitCodes.done : exitCodes.failed
}

/**
 * The next line answers the cell that asks; one that was interrupted meanwhile gets none. The answer to a question for a password is not
 * shown while it is typed.
 */
function answerQuestions(
  events: Emitter<SessionEvents>,
  lines: LineQueue,
  { stdin, stdout, stderr }: PlainOptions,
): void {
  let cell = 0
  let before: Promise<void> = Promise.resolve()
  let isHidden = false
  const hide = () => {
    isHidden = setEcho(false)
    if (!isHidden) stderr.write('(what is typed can be seen: there is no stty) ')
  }
  const show = () => {
    if (isHidden) setEcho(true)
    isHidden = false
  }
  process.once('exit', show)
  events.on('running', () => {
    cell++
    show()
  })
  events.on('question', ({ prompt, isPassword, answer }) => {
    const asking = cell
    before = before.then(async () => {
      if (asking !== cell) return
      stdout.write(prompt)
      if (isPassword && stdin.isTTY) hide()
      await lines.ready()
      if (asking !== cell) return
      // the end of the line was not shown either
      if (isHidden) stdout.write('\n')
      show()
      answer((await lines.next()) ?? '')
    })
  })
}

const endings = ['SIGTERM', 'SIGHUP'] as const

/** Ctrl-C: what runs, then the run in the background, then the program. */
function stopSomething(session: ReplSession, options: PlainOptions): void {
  if (!session.interrupt() && !stopRun(session, options)) process.exit(exitCodes.interrupted)
}

/** False when there is no run to stop. */
function stopRun({ lab }: ReplSession, { stderr }: PlainOptions): boolean {
  if (!lab.run || lab.run.isOver) return false
  stderr.write('stopping the run; :resume continues it\n')
  lab.interrupt()
  return true
}

function printEvents(events: Emitter<SessionEvents>, { stdout, stderr }: PlainOptions, isTyped: boolean): void {
  events.on('print', ({ kind, text, count }) => {
    if (kind === 'input') return
    const toError = kind === 'error' || kind === 'warning' || (kind === 'note' && !isTyped)
    const lead = kind === 'result' && isTyped ? `Out[${count}]: ${text.includes('\n') ? '\n' : ''}` : ''
    ;(toError ? stderr : stdout).write(`${lead}${text}\n`)
  })
}

/** A line now and then while a run goes on, and one at its end. */
function followRuns({ lab }: ReplSession, { stderr }: PlainOptions): void {
  // listeners are called where the run was started, in a cell; these lines are not the cell's
  const say = AsyncResource.bind((line: string) => stderr.write(`${line}\n`))
  let last = 0
  lab.events.on('record', record => {
    const { run } = lab
    if (!run || record.kind !== 'train' || Date.now() - last < 1000 * progressSeconds) return
    last = Date.now()
    say(run.statusLine())
  })
  lab.events.on('warning', ({ message }) => say(`warning: ${message}`))
  let label = ''
  lab.events.on('progress', progress => {
    // the first line comes when it takes longer than a moment
    if (progress.label !== label) last = Date.now() - 1000 * (progressSeconds - patienceSeconds)
    label = progress.label
    if (Date.now() - last < 1000 * progressSeconds) return
    last = Date.now()
    say(progressText(progress))
  })
  lab.events.on('run', ({ run }) => {
    const tell = () => say(endLine(run))
    run.then(tell, tell)
  })
}

function endLine(run: TrainingRun): string {
  const last = run.records.at(-1)
  const work = last ? `, ${formatCount(last.tokens)} tokens in ${formatDuration(last.seconds)}` : ''
  return `${run.name}: ${run.status} at step ${run.step} of ${run.steps}${work}`
}

/** Blocks that can be run: a line, or as many as it takes to be complete. */
async function* blocksOf(lines: LineQueue, session: ReplSession, prompt: Stream | null): AsyncGenerator<string> {
  let block = ''
  for (;;) {
    prompt?.write(block === '' ? `In [${session.nextCount}]: ` : '   ...: ')
    const line = await lines.next()
    if (line === null) break
    block = block === '' ? line : `${block}\n${line}`
    if (!isCommandLine(block) && (!session.isComplete(block) || (prompt === null && (await goesOn(lines))))) continue
    yield block
    block = ''
  }
  if (block.trim() !== '') yield block
}

/** Whether a script goes on with a line that continues what is complete; who types has to end the line with what continues it. */
async function goesOn(lines: LineQueue): Promise<boolean> {
  const next = await lines.peek(continuationMs)
  return typeof next === 'string' && continues.test(next)
}
