import { AsyncResource } from 'node:async_hooks'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { Evaluator } from '../../kernel/evaluator/evaluator.js'
import type { CellOutput, CellResult, MimeBundle, TextLook } from '../../kernel/evaluator/types.js'
import { tableGlobals } from '../../kernel/lab-globals.js'
import {
  datasetNames,
  devices,
  type Emitter,
  formatTable,
  freeRunName,
  Lab,
  LabError,
  messageOf,
  runFigureNames,
  type TrainingRun,
} from '../../src/index.js'
import { checkNames } from '../commands/check-names.js'
import { parseArguments, type SessionActions, type StepOptions } from '../commands/command.js'
import { commandLineOf, isCommandLine } from '../commands/command-line.js'
import { completeCommand, type NameSources } from '../commands/complete-command.js'
import { helpText } from '../commands/help.js'
import { scriptParts } from '../commands/session-commands.js'
import { commandOf } from '../commands/table.js'
import { call } from '../commands/words.js'
import type { Completions } from '../editor/completion-menu.js'
import { KeptOutputs } from './kept-outputs.js'
import { type ExecutedCell, notebookText } from './notebook.js'
import { OutputLines } from './output-lines.js'
import { demoStory } from './story.js'
import { Variables } from './variables.js'

/** How a printed text is meant. */
export type PrintKind = 'input' | 'output' | 'result' | 'warning' | 'error' | 'note'

export interface SessionEvents {
  /** Finished lines. `count`: number of the cell for `input` and `result`. */
  print: { kind: PrintKind; text: string; count?: number }
  /** The line that a cell has begun to write. */
  unfinished: { text: string }
  /** What runs, as it was typed; null: nothing. */
  running: { text: string | null; waiting: number }
  /** A cell asks for a line. */
  question: { prompt: string; isPassword: boolean; answer: (text: string) => void }
  /** The user is shown the panels of the expansion. */
  steps: { first: number; options: StepOptions; onShown: (index: number, text: string) => void }
  /** A text for the prompt. */
  prompt: { text: string }
  /** An interrupt came from another thread while nothing ran: it has stopped nothing of the session's. */
  idleInterrupt: object
  leave: object
}

export interface SessionOptions {
  cwd: string
  device?: string
  threads?: number
  events: Emitter<SessionEvents>
  /** Opens the user's editor on a text; null when nothing was saved. Absent where there is no terminal. */
  edit?: (text: string) => Promise<string | null>
  /** The report of `llama-pro doctor`. */
  doctor: (signal: AbortSignal) => Promise<string>
  /** Whether `steps` events are served; otherwise `:step` prints one lesson. */
  canWalk: boolean
  /** What figures are drawn for. */
  size: () => { columns: number; rows: number; color: boolean }
}

const prelude = `
/** The session: one live model, loaded, expanded, trained and measured step by step. */
declare const lab: import('llama-pro-lab').Lab
`

/** What may be done to a run while a cell awaits it. */
const controls = {
  pause: (run: TrainingRun) => run.pause(),
  resume: (run: TrainingRun) => run.resume(),
  // its end is told, and awaited by whoever awaits the run
  stop: (run: TrainingRun) => void run.stop().catch(() => {}),
}

const labelOf = (line: string) => line.split('\n')[0]!

/** The terminal's side of a session: lines in, cells run one after the other, printed lines out. Knows no screen. */
export class ReplSession {
  readonly lab: Lab
  readonly #options: SessionOptions
  readonly #evaluator: Evaluator
  readonly #variables: Variables
  readonly #cells: ExecutedCell[] = []
  /** Files that this session has written, and may write again. */
  readonly #exported = new Set<string>()
  /** Events are sent from here, so that what a front does with them is not taken for a cell's doing. */
  readonly #outside: AsyncResource
  #abort: AbortController | null = null
  #queue: Promise<unknown> = Promise.resolve()
  #waiting = 0
  /** Grows when waiting lines are to be dropped. */
  #generation = 0
  #leaving = false

  private constructor(options: SessionOptions, parts: { lab: Lab; evaluator: Evaluator; outside: AsyncResource }) {
    this.#options = options
    this.lab = parts.lab
    this.#evaluator = parts.evaluator
    this.#outside = parts.outside
    this.#variables = new Variables()
  }

  static async open(options: SessionOptions): Promise<ReplSession> {
    const outside = new AsyncResource('llama-pro-repl')
    let signal: () => AbortSignal | undefined = () => undefined
    const { cwd, device, threads } = options
    const lab = new Lab({
      cwd,
      signal: () => signal(),
      ...(device === undefined ? {} : { device }),
      ...(threads === undefined ? {} : { threads }),
    })
    const textLook = () => lookFor(options.size())
    let onInterrupt = () => {}
    const evaluator = await Evaluator.start({
      cwd,
      prelude,
      globals: { lab },
      library: tableGlobals,
      textLook,
      onInterrupt: () => onInterrupt(),
    })
    const session = new ReplSession(options, { lab, evaluator, outside })
    signal = () => session.#abort?.signal
    onInterrupt = () => {
      if (session.isRunning) session.#stop()
      else session.#emit('idleInterrupt', {})
    }
    return session
  }

  /** Whether a cell or command is being run. */
  get isRunning(): boolean {
    return this.#abort !== null
  }

  /** `Int32Array[0] = 1` on it stops a cell that blocks this thread. */
  get interruptBuffer(): SharedArrayBuffer {
    return this.#evaluator.interruptBuffer
  }

  /** Number that the next cell will have. */
  get nextCount(): number {
    return 1 + Math.max(0, ...this.#cells.map(cell => (cell.result && 'count' in cell.result ? cell.result.count : 0)))
  }

  /** Runs what was typed when everything before it has ended; false when it failed. Errors are printed. */
  submit(line: string): Promise<boolean> {
    const control = this.#abort ? this.#controlOf(line) : null
    if (control) return Promise.resolve(this.#actAtOnce(line.trim(), control))
    const generation = this.#generation
    this.#waiting++
    const result = this.#queue.then(async () => {
      this.#waiting--
      if (generation !== this.#generation) return false
      return this.#run(line)
    })
    this.#queue = result
    return result
  }

  /** `:pause`, `:resume` or `:stop` while a run goes on and a cell awaits it (or anything else): after the cell it would come too late. */
  #controlOf(line: string): keyof typeof controls | null {
    const command = commandLineOf(line)
    if (command?.rest.trim() !== '' || !Object.hasOwn(controls, command.name)) return null
    return this.#liveRun && (command.name as keyof typeof controls)
  }

  get #liveRun(): TrainingRun | null {
    const { run } = this.lab
    return run && !run.isOver ? run : null
  }

  #actAtOnce(line: string, control: keyof typeof controls): boolean {
    this.#print('input', line, this.nextCount)
    const run = this.#liveRun!
    controls[control](run)
    this.#print('output', run.statusLine())
    return true
  }

  /** Stops what runs, and drops the lines that wait for it. False when nothing runs. */
  interrupt(): boolean {
    if (!this.#abort) return false
    this.#stop()
    this.#evaluator.interrupt()
    return true
  }

  /** A cell that was interrupted, from wherever, takes with it what the session has begun for it. */
  #stop(): void {
    if (!this.#abort || this.#abort.signal.aborted) return
    this.#generation++
    this.#abort.abort(new LabError('ABORTED', 'interrupted'))
  }

  /** Makes the compiler ready, so that the first cell does not wait for it. */
  async warmUp(): Promise<void> {
    await this.#evaluator.run('undefined', { silent: true, isWarmUp: true, onOutput: () => {} })
  }

  /** Reads what completions show and keeps the compiler for the next start; takes this thread for about a second. */
  prepare(): void {
    this.#evaluator.warmUp()
  }

  isComplete(text: string): boolean {
    return isCommandLine(text) || /^\?/.test(text) || this.#evaluator.isComplete(text).status !== 'incomplete'
  }

  complete(text: string, cursor: number): Completions {
    if (isCommandLine(text.slice(0, cursor)) || commandLineOf(text)) return completeCommand(text, cursor, this.#names())
    const { matches, start, end, types } = this.#evaluator.complete(text, cursor)
    const candidates = matches.map((match, i) => ({
      text: match,
      kind: types?.[i]?.type ?? '',
      detail: types?.[i]?.signature ?? '',
      about: types?.[i]?.documentation ?? '',
    }))
    return { candidates, start, end }
  }

  /** Type and documentation of the name before the cursor; null when it is nothing known. */
  inspect(text: string, cursor: number, detail: 0 | 1 = 0): string | null {
    const found = this.#evaluator.inspect(text, cursor, detail)
    return found ? String(found['text/plain']) : null
  }

  async dispose(): Promise<void> {
    this.interrupt()
    await this.#evaluator.dispose()
    await this.lab.dispose()
    this.#variables.dispose()
  }

  #emit<Name extends keyof SessionEvents>(name: Name, event: SessionEvents[Name]): void {
    this.#outside.runInAsyncScope(() => this.#options.events.emit(name, event))
  }

  #print(kind: PrintKind, text: string, count?: number): void {
    this.#emit('print', { kind, text, ...(count === undefined ? {} : { count }) })
  }

  async #run(line: string): Promise<boolean> {
    this.#abort = new AbortController()
    const generation = this.#generation
    this.#emit('running', { text: labelOf(line), waiting: this.#waiting })
    try {
      const ok = await this.#runLine(line)
      if (!ok) this.#dropWaiting(generation)
      return ok
    } catch (error) {
      const isStopped = error === this.#abort.signal.reason
      const text = isStopped || error instanceof LabError ? messageOf(error) : String((error as Error)?.stack ?? error)
      this.#print('error', text)
      this.#dropWaiting(generation)
      return false
    } finally {
      this.#abort = null
      this.#emit('running', { text: null, waiting: this.#waiting })
    }
  }

  #dropWaiting(generation: number): void {
    if (generation === this.#generation) this.#generation++
    if (this.#waiting === 0) return
    this.#print(
      'note',
      `${this.#waiting} ${this.#waiting === 1 ? 'line that waited is' : 'lines that waited are'} dropped`,
    )
  }

  /** One line or block: a question about a name, a command, or TypeScript. */
  async #runLine(line: string): Promise<boolean> {
    if (this.#isScript(line)) return this.#runLines(scriptParts(line))
    const asked = /^\s*(\?\??)\s*([\w$.]+)\s*$|^\s*([\w$.]+)(\?\??)\s*$/.exec(line)
    const command = commandLineOf(line)
    if (!asked && !command) return this.#runCell(line, null)
    this.#print('input', line.trim(), this.nextCount)
    if (!command) return this.#answer(asked![2] ?? asked![3]!, (asked![1] ?? asked![4]) === '??' ? 1 : 0)
    return this.#runCommand(command, line.trim())
  }

  /** Whether a pasted text has further commands in it: lines that begin with one, where that is no TypeScript. */
  #isScript(text: string): boolean {
    if (!/\n:[a-z][a-z-]*(?:\s|$)/.test(text)) return false
    return commandLineOf(text) !== null || this.#evaluator.isComplete(text).status !== 'complete'
  }

  #answer(name: string, detail: 0 | 1): boolean {
    const text = this.inspect(name, name.length, detail)
    if (text === null) this.#print('error', `nothing is known of "${name}"`)
    else this.#print('output', text)
    return text !== null
  }

  async #runCommand({ name, rest }: { name: string; rest: string }, typed: string): Promise<boolean> {
    const command = commandOf(name)
    const given = parseArguments(command, rest)
    checkNames(command, given, this.#names())
    if ('toCell' in command) {
      const { run } = this.lab
      const code = command.toCell(given, { runStatus: run?.status ?? null, runDir: run?.dir ?? null })
      return this.#runCell(code, typed)
    }
    let isGood = true
    const watched: SessionActions = {
      ...this.#actions,
      runCell: async code => (isGood = await this.#runCell(code, null)),
      runLines: async lines => (isGood = await this.#runLines(lines)),
    }
    await command.act(given, watched)
    return isGood && !this.#leaving
  }

  async #runLines(lines: readonly string[]): Promise<boolean> {
    for (const line of lines) {
      if (this.#abort?.signal.aborted || !(await this.#runLine(line))) return false
    }
    return true
  }

  async #runCell(code: string, command: string | null): Promise<boolean> {
    const cell: ExecutedCell = { source: code, command, outputs: new KeptOutputs(), result: null }
    if (command === null) this.#print('input', code, this.nextCount)
    this.#cells.push(cell)
    // a cell may block this thread: what is printed so far is shown first
    await new Promise(resolve => setImmediate(resolve))
    const lines = new OutputLines()
    let shown = ''
    const onOutput = (output: CellOutput) => {
      cell.outputs.add(output)
      this.#showOutput(output, lines)
      if (lines.unfinished !== shown) this.#emit('unfinished', { text: (shown = lines.unfinished) })
    }
    const input = (prompt: string, isPassword: boolean) =>
      new Promise<string>(answer => this.#emit('question', { prompt, isPassword, answer }))
    const signal = this.#abort!.signal
    const result = await this.#evaluator.run(code, { onOutput, input, signal })
    cell.result = result
    for (const line of lines.end()) this.#print('output', line)
    if (shown !== '') this.#emit('unfinished', { text: '' })
    return this.#showResult(result)
  }

  #showOutput(output: CellOutput, lines: OutputLines): void {
    if (output.kind === 'clear') return
    const text = output.kind === 'stream' ? output.text : `${textOf(output.data)}\n`
    const finished = output.kind === 'stream' ? lines.push(text) : [...lines.end(), ...lines.push(text)]
    const kind = output.kind === 'stream' && output.name === 'stderr' ? 'warning' : 'output'
    if (finished.length > 0) this.#print(kind, finished.join('\n'))
  }

  #showResult(result: CellResult): boolean {
    if (result.status === 'ok') {
      if (result.value) this.#print('result', textOf(result.value), result.count)
      return true
    }
    if (result.status === 'aborted') this.#print('error', 'interrupted')
    else this.#print('error', result.error.traceback.join('\n'))
    return false
  }

  get #actions(): SessionActions {
    return {
      print: text => this.#print('output', text),
      runCell: code => this.#runCell(code, null),
      runLines: lines => this.#runLines(lines),
      exportNotebook: (path, options) => this.#export(path, options),
      variables: () => this.#variableText(),
      help: name => helpText(name),
      doctor: async () => this.#print('output', await this.#options.doctor(this.#abort!.signal)),
      edit: async text => {
        if (!this.#options.edit) throw new LabError('COMMAND', ':edit needs a terminal')
        return this.#options.edit(text).catch((error: unknown) => {
          throw new LabError('COMMAND', messageOf(error))
        })
      },
      setPrompt: text => this.#emit('prompt', { text }),
      openSteps: (first, options) => this.#openSteps(first, options),
      demo: () => this.#demo(),
      readFile: path => readText(resolve(this.#options.cwd, path)),
      leave: () => {
        this.#leaving = true
        this.#emit('leave', {})
      },
    }
  }

  async #openSteps(first: number, options: StepOptions): Promise<boolean> {
    const cellOf = (index: number) => `await ${call('step', index, options)}`
    if (!this.#options.canWalk) return this.#runCell(cellOf(first), null)
    const onShown = (index: number, text: string) => {
      const outputs = new KeptOutputs()
      outputs.add({ kind: 'stream', name: 'stdout', text: `${text}\n` })
      this.#cells.push({ source: cellOf(index), command: null, outputs, result: null })
    }
    this.#emit('steps', { first, options, onShown })
    return true
  }

  #export(path: string, { overwrite }: { overwrite: boolean }): void {
    const file = resolve(this.#options.cwd, path.endsWith('.ipynb') ? path : `${path}.ipynb`)
    if (!existsSync(dirname(file))) throw new LabError('COMMAND', `there is no folder ${dirname(file)}: make it first`)
    if (existsSync(file) && !overwrite && !this.#exported.has(file))
      throw new LabError('COMMAND', `${file} is there already: give another name, or overwrite=yes`)
    writeFileSync(file, notebookText(this.#cells))
    this.#exported.add(file)
    this.#print('note', `${this.#cells.length} cells written to ${file}`)
  }

  #variableText(): string {
    const rows = this.#variables.list(this.#evaluator.declaredNames).map(({ name, type, value }) => [name, type, value])
    return rows.length === 0 ? 'no variables yet' : formatTable(['name', 'type', 'value'], rows)
  }

  async #demo(): Promise<void> {
    const free = (wanted: string) => freeRunName(this.lab.runsDir, wanted)
    const story = demoStory({ expansion: free('demo-expansion'), full: free('demo-full') })
    for (const { note, lines } of story) {
      this.#print('note', note)
      if (!(await this.#runLines(lines))) return
    }
    this.#print(
      'note',
      'That was the method. The session is yours: :generate The river ran, :gate 0, :step, :export demo.ipynb',
    )
  }

  #names(): NameSources {
    const { lab } = this
    return {
      cwd: this.#options.cwd,
      runs: () => lab.runs().map(run => run.name),
      figures: () => runFigureNames,
      devices: () => devices,
      datasets: () => datasetNames,
      layers: () => (lab.isLoaded ? lab.config.numHiddenLayers : 0),
      parameters: () => (lab.isLoaded ? [...lab.model.parameters.keys()] : []),
      probes: () => lab.probes().map(probe => probe.name),
    }
  }
}

/** Figures as wide as the terminal, within reason, and low enough to be seen with the prompt. */
function lookFor({ columns, rows, color }: ReturnType<SessionOptions['size']>): TextLook {
  return { width: Math.min(columns, 140), height: Math.max(14, Math.min(rows - 4, 30)), color }
}

function textOf(data: MimeBundle): string {
  return String(data['text/plain'] ?? '')
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new LabError('COMMAND', `cannot read ${path}: ${messageOf(error)}`)
  }
}
