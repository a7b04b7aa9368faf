import { Session } from 'node:inspector'
import { sep } from 'node:path'
import { types } from 'node:util'
import { getHeapStatistics } from 'node:v8'
import { packageRoot } from '../../src/util/package.js'
import { Cell, cellStorage, flushCells, HeapNearlyFull, Interrupted } from './cell.js'
import { loadCompiler, saveCompiler } from './compiler-host.js'
import { CellConverter } from './converter.js'
import { isDisplayHandle, type Render } from './display.js'
import { describeDiagnostics, describeError } from './errors.js'
import { type Evaluation, ScriptRunner } from './evaluate.js'
import { defineGlobals, valuesOf } from './globals.js'
import { guardProcess, isOfInterrupt } from './guards.js'
import { InterruptWatcher } from './interrupt.js'
import { completeAt, completenessOf, inspectAt } from './language.js'
import { LocalModules } from './local-modules.js'
import { ModuleLoader } from './modules.js'
import { ambientDeclarations, preludePaths, readLibraryNames } from './prelude.js'
import { quickStart } from './quick-start.js'
import { Recall } from './recall.js'
import { renderValue } from './rich.js'
import { runtimeGlobals } from './runtime.js'
import { Sources } from './sources.js'
import { captureStreams } from './streams.js'
import type { CellError, CellResult, Completeness, Completion, MimeBundle, RunCellOptions, TextLook } from './types.js'

export type * from './types.js'

/** The library as cells have it. */
export type Library = typeof import('../../src/index.js')

export interface EvaluatorOptions {
  /** Folder that cells are run in: imports and types are resolved from here. */
  cwd: string
  /** TypeScript run before the first cell, uncounted and unseen; its declarations are there for all cells. */
  prelude?: string
  /** Declarations that every cell sees, as of a `.d.ts` file: what a prelude would declare without running anything. */
  declarations?: string
  /** Values set as globals, untyped unless they are declared. */
  globals?: Record<string, unknown>
  /** Names that stand on the library: they are typed and made when a cell first uses one of its names. */
  library?: LibraryGlobals
  /** What the text of figures and lessons is drawn for, asked every time (default: 100 columns, 30 lines, no colours). */
  textLook?: () => TextLook
  /** Told of every interrupt, also when no cell runs. */
  onInterrupt?: () => void
}

export interface LibraryGlobals {
  /** Name -> its declaration as TypeScript, without `declare`. */
  declarations: Readonly<Record<string, string>>
  values: (library: Library) => Record<string, unknown> | Promise<Record<string, unknown>>
}

let live: Evaluator | undefined
let serial = 0

/**
 * Runs cells of TypeScript in this thread, one after the other: type-checked and lowered by tslab's converter, evaluated in
 * V8's REPL mode. Shared by the Jupyter kernel and the terminal; prints nothing itself. One at a time in a process, because
 * names of cells are names of the process's global scope.
 */
export class Evaluator {
  readonly #converter: CellConverter
  readonly #session = new Session()
  readonly #watcher: InterruptWatcher
  readonly #runner: ScriptRunner
  readonly #sources = new Sources()
  readonly #declared = new Set<string>()
  readonly #recall = new Recall()
  readonly #undo: (() => void)[] = []
  readonly #lazy: LibraryGlobals | undefined
  readonly #render: Render
  readonly #onInterrupt: (() => void) | undefined
  readonly #endStart: () => void
  #running: Cell | undefined
  #last: Cell | undefined
  #count = 0
  #runs = 0
  #queue: Promise<unknown> = Promise.resolve()
  #globals: Promise<void> | null = null

  private constructor(options: EvaluatorOptions) {
    const { cwd, declarations = '', globals = {}, library: lazy, textLook, onInterrupt } = options
    this.#lazy = lazy
    this.#onInterrupt = onInterrupt
    const root = packageRoot()
    const compiler = loadCompiler()
    this.#endStart = quickStart()
    const library = readLibraryNames(compiler, root)
    const loader: ModuleLoader = new ModuleLoader({
      cwd,
      fallback: root,
      provided: { 'llama-pro-lab': loadLibrary },
      local: new LocalModules(compiler, {
        load: (specifier, importer) => loader.load(specifier, importer),
        onSource: (path, map) => this.#sources.addFile(path, map),
      }),
    })
    this.#converter = new CellConverter({
      cwd,
      fallback: root,
      ambient: ambientDeclarations + declarations,
      globals: { from: 'llama-pro-lab', names: library.names, declared: lazy?.declarations ?? {} },
      paths: preludePaths(library),
      declared: this.#declared,
      declarationsFor: code => this.#recall.declarationsFor(code, this.#declared),
      findLocal: path => loader.findLocal(path),
      isChecked: name => !name.includes('/node_modules/') && !name.startsWith(`${root.split(sep).join('/')}/src/`),
    })
    this.#session.connect()
    this.#watcher = new InterruptWatcher(this.#session, () => this.interrupt())
    this.#runner = new ScriptRunner(this.#session, this.#watcher)
    const current = () => this.#running ?? this.#last
    this.#render = value => renderValue(value, this.#sources, textLook?.())
    const declare = (names: string[]) => {
      for (const name of names) this.#declared.add(name)
    }
    const globalProperties = runtimeGlobals({
      cwd,
      declare,
      loader,
      render: this.#render,
      slots: this.#watcher.slots,
      running: () => this.#running,
      current,
      onLateError: (cell, error) => isOfInterrupt(error, cell) || this.#reportLate(cell, error),
    })
    this.#undo.push(
      () => this.#recall.dispose(),
      defineGlobals({ ...globalProperties, ...valuesOf(globals) }),
      captureStreams(() => this.#running),
      guardProcess((cell, error) => this.#reportLate(cell ?? current(), error)),
    )
  }

  /**
   * Starts the evaluator and runs the prelude.
   * @throws {Error} with code `EVALUATOR_LIVE` when another one has not been disposed, `PRELUDE` when the prelude fails.
   */
  static async start(options: EvaluatorOptions): Promise<Evaluator> {
    if (live)
      throw Object.assign(new Error('one evaluator at a time: dispose of the other one first'), {
        code: 'EVALUATOR_LIVE',
      })
    const evaluator = new Evaluator(options)
    live = evaluator
    if (options.prelude === undefined) return evaluator
    const result = await evaluator.run(options.prelude, { silent: true, onOutput: () => {} })
    if (result.status !== 'error') return evaluator
    await evaluator.dispose()
    throw Object.assign(new Error(`the prelude failed:\n${result.error.traceback.join('\n')}`), { code: 'PRELUDE' })
  }

  /**
   * `Int32Array[0] = 1` on it, from any thread, interrupts the running cell, or whatever else blocks the main thread, or the next cell:
   * whoever means none that comes later calls {@link interrupt} before it.
   */
  get interruptBuffer(): SharedArrayBuffer {
    return this.#watcher.buffer
  }

  /** Names of the variables, functions and classes that cells have declared, in order. */
  get declaredNames(): readonly string[] {
    return [...this.#declared]
  }

  /** Runs a cell when those before it have ended. Errors of the cell are in the result; the promise does not reject. */
  run(code: string, options: RunCellOptions): Promise<CellResult> {
    const result = this.#queue.then(() => this.#run(code, options))
    this.#queue = result.catch(() => undefined)
    return result
  }

  complete(code: string, cursor: number): Completion {
    return completeAt(this.#converter, code, cursor)
  }

  /** What is known of the name at the cursor; with `detail` 1 all its documentation tags. Null when it is nothing known. */
  inspect(code: string, cursor: number, detail: 0 | 1): MimeBundle | null {
    return inspectAt(this.#converter, code, cursor, detail)
  }

  isComplete(code: string): Completeness {
    return completenessOf(this.#converter, code)
  }

  /**
   * Does what would otherwise delay the next cells and completions: reads the documentation of the types, compiles what they need, and
   * keeps the compiled compiler for the next start. Takes the thread for about a second; for when nothing else is to be done.
   */
  warmUp(): void {
    this.#endStart()
    if (!this.#converter.addDocumentation()) return
    this.#converter.inspect('Math', 2)
    saveCompiler()
  }

  /** Ends the running cell from the main thread; what it declared is kept. Nothing is asked of {@link interruptBuffer} any more. */
  interrupt(): void {
    this.#running?.interrupt()
    this.#watcher.reset()
    this.#onInterrupt?.()
  }

  /** Interrupts what runs and gives the process its console, streams and globals back. */
  async dispose(): Promise<void> {
    this.interrupt()
    await this.#queue
    // an interrupted cell does not wait for what it has begun to load
    await this.#globals?.catch(() => undefined)
    flushCells()
    this.#endStart()
    for (const undo of this.#undo.splice(0).reverse()) undo()
    this.#converter.close()
    this.#session.disconnect()
    await this.#watcher.dispose()
    if (live === this) live = undefined
  }

  async #run(code: string, options: RunCellOptions): Promise<CellResult> {
    const { signal, isWarmUp = false } = options
    if (signal?.aborted) return { status: 'aborted' }
    const isCounted = !options.silent && options.storeHistory !== false
    const count = isCounted ? ++this.#count : this.#count
    const cell = new Cell(count, { ...options, isCounted })
    const interrupt = () => cell.interrupt()
    signal?.addEventListener('abort', interrupt, { once: true })
    if (!isWarmUp) this.#watcher.begin(++this.#runs)
    this.#running = cell
    this.#last = cell
    if (isCounted) this.#recall.addSource(count, code)
    const failed = (error: unknown) => this.#fail(cell, error)
    const result = await this.#runCell(cell, code).catch(failed)
    cell.end()
    this.#running = undefined
    signal?.removeEventListener('abort', interrupt)
    const wasFull = !isWarmUp && this.#watcher.end()
    return wasFull && result.status === 'error' ? this.#failFull(cell) : result
  }

  #failFull(cell: Cell): CellResult {
    // what the cell has left over must not count for the next one
    this.#session.post('HeapProfiler.collectGarbage')
    const { used_heap_size, heap_size_limit } = getHeapStatistics()
    return this.#fail(cell, new HeapNearlyFull(used_heap_size, heap_size_limit))
  }

  async #runCell(cell: Cell, code: string): Promise<CellResult> {
    const { count } = cell
    const conversion = this.#converter.convert(code)
    // the cell itself runs at full speed
    this.#endStart()
    if (!conversion.ok)
      return { status: 'error', error: describeDiagnostics(conversion.diagnostics, code, count), count }
    for (const warning of conversion.warnings) cell.write('stderr', `warning: ${warning}\n`)
    const { usesGlobals } = this.#converter
    const name = this.#sources.addCell(++serial, count, code, conversion.emitted.map)
    const evaluated = async (): Promise<Evaluation> => {
      if (usesGlobals) await this.#loadGlobals()
      return this.#evaluate(cell, scriptOf(conversion.emitted.js, name))
    }
    const outcome = await Promise.race([evaluated(), interruption(cell)])
    if (outcome.status === 'done') return this.#finish(cell, conversion.emitted.resultType)
    const error = outcome.status === 'terminated' ? new Interrupted() : outcome.error
    if (!isInterruption(error)) await Promise.race([this.#showPending(cell), interruption(cell)])
    return this.#fail(cell, error)
  }

  /** Does not begin when the cell was interrupted meanwhile. */
  async #evaluate(cell: Cell, script: string): Promise<Evaluation> {
    if (this.#watcher.requested) cell.interrupt()
    return cell.wasInterrupted ? { status: 'terminated' } : cellStorage.run(cell, () => this.#runner.run(script))
  }

  /** What the cell has displayed before it failed takes its time; a display that fails too is told of beside the cell's own error. */
  async #showPending(cell: Cell): Promise<void> {
    // a set is gone through to its end, with what is added meanwhile
    for (const shown of cell.pending) await shown.catch((error: unknown) => this.#reportLate(cell, error))
  }

  async #finish(cell: Cell, type: string | null): Promise<CellResult> {
    const value = cell.takeResult()
    if (cell.isCounted && !isDisplayHandle(value)) this.#recall.addResult({ count: cell.count, value, type })
    const rendered = cellStorage.run(cell, async () => {
      while (cell.pending.size > 0) await Promise.all(cell.pending)
      const isShown = value !== undefined && cell.options.silent !== true && !isDisplayHandle(value)
      return isShown ? this.#render(value) : undefined
    })
    const bundle = await Promise.race([rendered, interruption(cell).then(({ error }) => Promise.reject(error))])
    return { status: 'ok', count: cell.count, ...(bundle ? { value: bundle } : {}) }
  }

  #fail(cell: Cell, error: unknown): CellResult {
    const described: CellError = describeError(error, this.#sources)
    if (isInterruption(error)) cell.interrupt()
    return { status: 'error', error: described, count: cell.count }
  }

  /** Defines the library's names, once; cells that come while it is loading wait for the same. */
  #loadGlobals(): Promise<void> {
    this.#globals ??= this.#defineLibrary().catch((error: unknown) => {
      this.#globals = null
      throw error
    })
    return this.#globals
  }

  async #defineLibrary(): Promise<void> {
    const library = await loadLibrary()
    const lazy = this.#lazy ? await this.#lazy.values(library) : {}
    this.#undo.push(defineGlobals(valuesOf({ ...library, ...lazy })))
  }

  /** An error that nobody caught, of a timer or a promise that a cell left behind. */
  #reportLate(cell: Cell | undefined, error: unknown): void {
    // Before the first cell it is an error of the program around us: it ends the process, as without this listener.
    if (!cell) throw error
    cell.writeLate(`Uncaught ${describeError(error, this.#sources).traceback.join('\n')}\n`)
  }
}

function loadLibrary(): Promise<Library> {
  return import('../../src/index.js')
}

// Lines of the script are those of the emitted code plus one, which `Sources` knows.
function scriptOf(js: string, name: string): string {
  return `'use strict';\n${js.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '')}\n//# sourceURL=${name}`
}

// a proxy would be asked by `instanceof`
function isInterruption(error: unknown): boolean {
  return !types.isProxy(error) && error instanceof Interrupted
}

function interruption(cell: Cell): Promise<{ status: 'thrown'; error: unknown }> {
  return new Promise(resolve => {
    const settle = () => resolve({ status: 'thrown', error: cell.signal.reason })
    if (cell.wasInterrupted) settle()
    else cell.signal.addEventListener('abort', settle, { once: true })
  })
}
