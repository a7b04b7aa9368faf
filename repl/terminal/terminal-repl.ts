import type { Lab } from '../../src/index.js'
import { exitCodes } from '../cli/exit-codes.js'
import { wantsColor } from '../cli/style.js'
import { isCommandLine } from '../commands/command-line.js'
import { withText } from '../editor/buffer.js'
import { looksComplete } from '../editor/complete-text.js'
import { type Key, KeyParser } from '../editor/keys.js'
import {
  emptyPrompt,
  type PromptEffect,
  type PromptWorld,
  pressKey,
  showCompletions,
  suggestionOf,
  visibleText,
} from '../editor/prompt.js'
import type { ReplSession, SessionEvents } from '../session/repl-session.js'
import { highlight } from '../ui/highlight.js'
import type { InkRenderer } from '../ui/ink-renderer.js'
import { type Look, makeLook } from '../ui/look.js'
import { frameOf, type View } from '../ui/view.js'
import { describeSession } from './describe-session.js'
import { followLab } from './follow-lab.js'
import { guardTerminal, refreshSize, terminalOf } from './guard-terminal.js'
import { LentTerminal } from './lent-terminal.js'
import { type Heavy, loadHeavy } from './load-heavy.js'
import { loadInk } from './load-ink.js'
import { inputLabel, paintPrint } from './paint-print.js'
import { Questions } from './questions.js'
import { Screen } from './screen.js'
import type { StepWalk } from './step-walk.js'
import type { TerminalOptions } from './terminal-types.js'
import { TtyInput } from './tty-input.js'

/** Milliseconds: an escape character alone is the key after this; loading waits for a pause in typing; redraws while a run goes on. */
const escapeMs = 40
const pauseMs = 150
const redrawMs = 100
/** Milliseconds without a key after which what takes a second is done. */
const restMs = 2000
/** Milliseconds without a picture after which what is printed is shown at once: a cell that computes without a pause lets no later turn come. */
const staleMs = 50

/** The session on a terminal: keys in, frames and printed lines out. */
export class TerminalRepl {
  readonly #options: TerminalOptions
  readonly #screen = new Screen(terminalOf(process.stdout))
  readonly #look: Look
  readonly #color: boolean
  readonly #parser = new KeyParser()
  readonly #input: TtyInput
  #undo: () => void = () => {}
  #prompt = emptyPrompt
  #offer: string
  #hint = ''
  /** What a run says it is doing. */
  #phase = ''
  /** How far the cell is that runs. */
  #progress = ''
  #about = ''
  /** What the status line says of the session; null when it is to be asked. */
  #described: string | null = null
  #unfinished = ''
  #running: { text: string; since: number; waiting: number } | null = null
  readonly #questions: Questions
  #steps: StepWalk | null = null
  #heavy: Heavy | null = null
  #session: Promise<ReplSession> | null = null
  #live: ReplSession | null = null
  #ink: InkRenderer | null = null
  #printed: string[] = []
  #isScheduled = false
  #drawnAt = 0
  #lastKeyAt = 0
  #escapeTimer: NodeJS.Timeout | undefined
  #redrawTimer: NodeJS.Timeout | undefined
  readonly #lent: LentTerminal
  #isLeaving = false
  #hasLeft = false
  #leaveAsked = false
  #end: (exitCode: number) => void = () => {}
  /** An error may come in the context of a cell, whose output it is not. */
  readonly #stderr = terminalOf(process.stderr)

  constructor(options: TerminalOptions) {
    this.#options = options
    this.#offer = options.offer
    this.#color = wantsColor(true, process.env)
    this.#look = makeLook({ color: this.#color, isDumb: process.env['TERM'] === 'dumb' })
    this.#input = new TtyInput({
      onText: text => this.#type(text),
      onEnd: () => this.#lose(),
      // what is being ended keeps this thread busy too, and Ctrl-C is not for it
      keepsEveryKey: () => this.#isLeaving,
    })
    this.#lent = new LentTerminal({
      input: this.#input,
      screen: this.#screen,
      onLend: () => this.#flushPrinted(),
      onBack: () => this.#draw(),
    })
    this.#questions = new Questions({
      columns: () => this.#screen.columns,
      print: text => this.#print(text),
      onShown: () => this.#schedule(),
      onCancel: () => this.#live?.interrupt(),
    })
  }

  /** Shows the prompt and stays until the user leaves; resolves to the exit code. */
  async run(banner: string): Promise<number> {
    const ended = new Promise<number>(resolve => {
      this.#end = resolve
    })
    this.#undo = guardTerminal({
      onResize: () => {
        this.#screen.resized()
        this.#schedule()
      },
      onExit: () => this.#screen.close(),
      onSignal: exitCode => void this.#leave(exitCode),
      onLost: () => this.#lose(),
      onWarning: text => this.#print(this.#look.yellow(text)),
      onText: text => this.#print(text),
    })
    this.#screen.open()
    this.#screen.print(banner)
    this.#draw()
    this.#ink = await loadInk()
    this.#schedule()
    void this.#loadWhenIdle()
    return ended
  }

  async #pauseInTyping(ms: number): Promise<void> {
    while (performance.now() - this.#lastKeyAt < ms) await new Promise(resolve => setTimeout(resolve, ms))
  }

  async #loadWhenIdle(): Promise<void> {
    await this.#pauseInTyping(pauseMs)
    const session = await this.#open().catch((error: unknown) => this.#fail(error))
    if (!session) return
    await new Promise(resolve => setTimeout(resolve, pauseMs))
    if (!session.isRunning) await session.warmUp()
    await new Promise(resolve => setTimeout(resolve, restMs))
    await this.#pauseInTyping(restMs)
    if (!session.isRunning && !this.#runState() && !this.#isLeaving) session.prepare()
  }

  // ---- the session

  #open(): Promise<ReplSession> {
    this.#session ??= this.#openSession()
    return this.#session
  }

  async #openSession(): Promise<ReplSession> {
    this.#heavy = await loadHeavy()
    const { ReplSession, doctorText, library } = this.#heavy
    const { cwd, device, threads } = this.#options
    const events = new library.Emitter<SessionEvents>()
    this.#listen(events)
    const session = await ReplSession.open({
      cwd,
      events,
      edit: text => this.#lent.edit(text),
      canWalk: true,
      size: () => ({ columns: this.#screen.columns - 1, rows: this.#screen.rows, color: this.#color }),
      doctor: signal => doctorText(signal, { threads }),
      ...(device === undefined ? {} : { device }),
      ...(threads === undefined ? {} : { threads }),
    })
    this.#live = session
    this.#input.interruptThrough(session.interruptBuffer)
    this.#followLab(session.lab)
    this.#schedule()
    return session
  }

  #listen(events: {
    on<N extends keyof SessionEvents>(name: N, listener: (event: SessionEvents[N]) => void): unknown
  }): void {
    events.on('print', event => this.#print(paintPrint(event, this.#look, this.#heavy?.ts ?? null)))
    events.on('unfinished', ({ text }) => {
      this.#unfinished = text
      this.#schedule()
    })
    events.on('running', ({ text, waiting }) => {
      this.#progress = ''
      this.#running = text === null ? null : { text, since: Date.now(), waiting }
      if (text !== null) this.#tick()
      this.#schedule()
    })
    events.on('question', question => this.#questions.add(question))
    events.on('steps', event => this.#openSteps(event))
    events.on('prompt', ({ text }) => {
      this.#setPrompt(text)
      this.#schedule()
    })
    // a Ctrl-C that found this thread busy outside of a cell is a key like others
    events.on('idleInterrupt', () => {
      if (!this.#isLeaving) this.#type('\u0003')
    })
    events.on('leave', () => void this.#leave(0))
  }

  #followLab(lab: Lab): void {
    followLab(lab, {
      // at most ten times a second
      onChange: () => {
        this.#redrawTimer ??= setTimeout(() => {
          this.#redrawTimer = undefined
          this.#draw()
        }, redrawMs)
      },
      onState: () => {
        this.#described = null
      },
      onPhase: text => {
        this.#phase = text
      },
      onProgress: text => {
        this.#progress = text
        if (this.#runState()) this.#phase = text
      },
      onWarning: text => this.#print(this.#look.yellow(`warning: ${text}`)),
      onEnd: line => this.#print(this.#look.bold(line)),
    })
  }

  #openSteps({ first, options, onShown }: SessionEvents['steps']): void {
    const { StepWalk } = this.#heavy!
    this.#steps = new StepWalk(first, {
      lab: this.#live!.lab,
      options,
      onShown,
      size: () => ({ columns: this.#screen.columns - 1, rows: this.#screen.rows - 6, color: this.#color }),
      onChange: () => this.#schedule(),
    })
    this.#schedule()
  }

  // ---- keys

  #type(text: string): void {
    this.#lastKeyAt = performance.now()
    clearTimeout(this.#escapeTimer)
    for (const key of this.#parser.push(text)) this.#press(key)
    if (this.#parser.isWaiting)
      this.#escapeTimer = setTimeout(() => {
        for (const key of this.#parser.flush()) this.#press(key)
        this.#draw()
      }, escapeMs)
    this.#draw()
  }

  #press(key: Key): void {
    if (this.#isLeaving) {
      if (key.ctrl && key.name === 'c') this.#leaveNow()
      return
    }
    this.#hint = ''
    if (!(key.ctrl && key.name === 'd')) this.#leaveAsked = false
    if (this.#steps) {
      if (!this.#steps.press(key)) this.#steps = null
      return
    }
    const question = this.#questions.first
    const before = question ? question.state : this.#prompt
    const { state, effect } = pressKey(before, key, question ? noWorld : this.#world())
    if (state.buffer.text !== before.buffer.text) this.#about = ''
    if (question) question.state = state
    else this.#prompt = state
    if (effect === null) return
    if (question) this.#questions.do(question, effect)
    else this.#do(effect)
  }

  #world(): PromptWorld {
    const session = this.#live
    return {
      entries: this.#options.history.entries,
      offer: this.#offer,
      isComplete: text => isCommandLine(text) || (session ? session.isComplete(text) : looksComplete(text)),
    }
  }

  #do(effect: PromptEffect): void {
    switch (effect.kind) {
      case 'submit':
        this.#submit(effect.text)
        break
      case 'cancelled':
        this.#print(`${paintPrint({ kind: 'input', text: effect.text, count: this.#number }, this.#look, null)}^C`)
        break
      case 'cancel':
        this.#cancel()
        break
      case 'leave':
        this.#askToLeave()
        break
      case 'complete':
        void this.#complete()
        break
      case 'clearScreen':
        this.#screen.clear()
        break
      case 'help':
        this.#submit(':help')
        break
      case 'openEditor':
        void this.#editPrompt()
        break
      case 'suspend':
        void this.#lent.suspend()
        break
    }
  }

  get #description(): string {
    const lab = this.#live?.lab
    if (!lab) return describeSession(null)
    this.#described ??= describeSession(lab)
    return this.#described
  }

  get #number(): number {
    return this.#live?.nextCount ?? 1
  }

  #submit(text: string): void {
    this.#offer = ''
    this.#leaveAsked = false
    if (text === '') return
    this.#options.history.add(text, this.#number)
    this.#running ??= { text: text.split('\n')[0]!, since: Date.now(), waiting: 0 }
    this.#open()
      .then(session => session.submit(text))
      .catch((error: unknown) => this.#fail(error))
  }

  /** At an empty prompt: what runs, then the run in the background. */
  #cancel(): void {
    if (this.#live?.interrupt()) return
    const run = this.#live?.lab.run
    if (run && !run.isOver) {
      this.#hint = `${run.name} stops after this step and writes a checkpoint; :resume continues it`
      this.#live!.lab.interrupt()
    } else this.#hint = 'Ctrl-D or :quit leaves'
  }

  #askToLeave(): void {
    const run = this.#live?.lab.run
    if (!run || run.isOver || this.#leaveAsked) {
      void this.#leave(0)
      return
    }
    this.#leaveAsked = true
    this.#hint = `${run.name} is still going on; Ctrl-D again stops it with a checkpoint and leaves`
  }

  async #complete(): Promise<void> {
    const { text, cursor } = this.#prompt.buffer
    if (!this.#live) this.#hint = 'loading ...'
    const session = await this.#open()
    if (this.#prompt.buffer.text !== text) return
    this.#hint = ''
    const completions = session.complete(text, cursor)
    this.#prompt = showCompletions(this.#prompt, text, completions)
    const { buffer, menu } = this.#prompt
    const isQuestion = completions.candidates.length < 2 && !isCommandLine(text)
    this.#about = isQuestion && !menu ? (session.inspect(buffer.text, buffer.cursor) ?? '') : ''
    this.#schedule()
  }

  #setPrompt(text: string): void {
    this.#prompt = { ...emptyPrompt, buffer: withText(this.#prompt.buffer, visibleText(text).trimEnd()) }
  }

  async #editPrompt(): Promise<void> {
    try {
      const text = await this.#lent.edit(this.#prompt.buffer.text)
      if (text !== null) this.#setPrompt(text)
    } catch (error) {
      this.#hint = (error as Error).message
    }
    this.#draw()
  }

  // ---- the end

  async #leave(exitCode: number): Promise<void> {
    if (this.#isLeaving) return
    this.#isLeaving = true
    const edited = this.#lent.end()
    const run = this.#live?.lab.run
    this.#hint = `${run && !run.isOver ? 'stopping the run: a checkpoint is written' : 'closing'} ... Ctrl-C leaves at once`
    this.#draw()
    clearTimeout(this.#redrawTimer)
    await Promise.all([this.#live?.dispose(), edited])
    if (this.#hasLeft) return
    this.#close()
    await this.#input.dispose()
    this.#end(exitCode)
  }

  /** The terminal is gone: a run writes its checkpoint, and nothing is shown any more. */
  #lose(): void {
    this.#screen.abandon()
    void this.#leave(exitCodes.hungUp)
  }

  /** Without waiting for what is being ended. */
  #leaveNow(): void {
    if (this.#hasLeft) return
    this.#hasLeft = true
    this.#close()
    void this.#input.dispose().then(() => this.#end(exitCodes.interrupted))
  }

  #close(): void {
    this.#flushPrinted()
    this.#screen.close()
    this.#ink?.close()
    this.#undo()
  }

  /** An error of the terminal itself: it is given back before the error is told. */
  #fail(error: unknown): null {
    this.#isLeaving = true
    this.#close()
    this.#stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    // a run that goes on writes its checkpoint; what cannot be ended in order is left
    const ended = Promise.allSettled([this.#live?.dispose(), this.#input.dispose()])
    void ended.then(() => this.#end(exitCodes.failed))
    return null
  }

  // ---- drawing

  #print(text: string): void {
    this.#printed.push(text)
    if (this.#running && performance.now() - this.#drawnAt > staleMs) this.#draw()
    else this.#schedule()
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#draw()
    })
  }

  /** The seconds of what runs go on. */
  #tick(): void {
    setTimeout(() => {
      if (!this.#running) return
      this.#draw()
      this.#tick()
    }, 1000).unref()
  }

  #flushPrinted(): void {
    if (this.#printed.length === 0 || this.#lent.isEdited) return
    this.#screen.print(this.#printed.splice(0).join('\n'))
  }

  #draw(): void {
    this.#drawnAt = performance.now()
    try {
      refreshSize(process.stdout)
      this.#flushPrinted()
      const view = this.#view()
      const { lines, cursor } = frameOf(view)
      this.#screen.draw({ lines: this.#ink?.lines(lines, view) ?? lines, cursor })
    } catch (error) {
      this.#fail(error)
    }
  }

  #view(): View {
    const { columns, rows } = this.#screen
    const question = this.#questions.first
    const state = question?.state ?? this.#prompt
    const { buffer, menu, search } = state
    const text = question?.isPassword ? '*'.repeat(buffer.text.length) : buffer.text
    const suggestion = question || this.#isLeaving ? '' : suggestionOf(state, this.#world())
    const spans = question ? [] : highlight(text, this.#heavy?.ts ?? null)
    const label = question?.label ?? inputLabel(this.#number)
    return {
      columns,
      rows,
      look: this.#look,
      formats: this.#heavy?.formats ?? null,
      prompt: { text, cursor: buffer.cursor, label, suggestion, spans },
      menu,
      about: this.#about,
      search: search && { query: search.query, isFound: search.index >= 0 },
      run: this.#runState(),
      phase: this.#phase,
      unfinished: this.#unfinished,
      running: this.#runningView(),
      session: this.#description,
      hint: this.#hint,
      steps: this.#steps?.view ?? null,
    }
  }

  #runningView(): View['running'] {
    if (!this.#running) return null
    const { text, since, waiting } = this.#running
    return { text, seconds: Math.floor((Date.now() - since) / 1000), waiting, progress: this.#progress }
  }

  #runState(): View['run'] {
    const run = this.#live?.lab.run
    return run && !run.isOver ? run : null
  }
}

const noWorld: PromptWorld = { entries: [], isComplete: () => true }
