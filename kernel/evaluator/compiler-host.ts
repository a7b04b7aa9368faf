import { statSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, sep } from 'node:path'
import { pathToFileURL } from 'node:url'
import type TS from '@tslab/typescript-for-tslab'
import type { Converter } from 'tslab/dist/converter.js'
import { type CachedModule, requireCached } from './compile-cache.js'
import { EarlyTypes } from './early-types.js'
import { LibraryTexts } from './library-texts.js'
import { lowerCell } from './lower.js'
import { declareInnerVars, typeOfResult } from './vars.js'

/** A module of the language front end with its compiler: tslab's own build of TypeScript. */
export type Compiler = typeof TS

const requireHere = createRequire(import.meta.url)
const tslabFile = requireHere.resolve('tslab/package.json')
const compilerFile = createRequire(tslabFile).resolve('@tslab/typescript-for-tslab')

let cached: CachedModule | undefined

/** The TypeScript compiler of tslab (5.0), loaded once a process. */
export function loadCompiler(): Compiler {
  cached ??= requireCached(compilerFile)
  return cached.exports as Compiler
}

/** Keeps what the compiler has had to compile of itself for the next process that loads it; it takes 0.2 s the first time. */
export function saveCompiler(): void {
  cached?.save()
}

/** JavaScript of a cell as last emitted, with the source map of its positions (one line of prefix in the source). */
export interface Emitted {
  js: string
  map: string
  /** Declarations of the `var`s inside loops and blocks, which tslab forgets. */
  innerVars: string
  /** Type of the last expression; null when the cell ends otherwise. */
  resultType: string | null
}

/** The program of the last cell, completion or inspection, and the file in it that is the cell. */
export interface CellProgram {
  program: TS.Program
  file: TS.SourceFile
}

export interface CompilerHostOptions {
  /** Cells are typed as if they were files of this folder. */
  cwd: string
  /** Import names that resolve to a place of their own: name -> file or package folder. */
  paths: Record<string, string[]>
  /** Names that have a variable in the session already. */
  declared: ReadonlySet<string>
  /** Errors that do not stop the cell; sees every error of a compilation. */
  tolerate: (diagnostic: TS.Diagnostic) => boolean
  /** Local source files whose errors stop the cell that imports them. */
  isChecked: (fileName: string) => boolean
  /** Begins without the types of Node.js. */
  isEarly: boolean
}

/** tslab's converter, fitted with our options, together with what it does not hand out itself. */
export interface ConverterHost {
  readonly ts: Compiler
  readonly converter: Converter
  /** tslab's test whether a cell needs more lines. */
  readonly isCompleteCode: typeof import('tslab/dist/converter.js').isCompleteCode
  /** What the last `convert` emitted for the cell; undefined when it found errors. */
  takeEmitted(): Emitted | undefined
  /** The program that was made last. */
  readonly current: CellProgram
  /** Tells the compiler about local files that changed since the last call. */
  refresh(): void
  /** Whether a cell that compiled without errors stands: it may have done without the types of Node.js. */
  isEnough(code: string): boolean
  /** Adds the types of Node.js, which may be missing at first. Returns whether they were. */
  addNodeTypes(): boolean
  /** Reads the documentation of the language and of Node.js, which was left out at first. Returns whether it had been. */
  addDocumentation(): boolean
}

interface Watched {
  callback: TS.FileWatcherCallback
  stamp: string
}

/**
 * Makes a converter of tslab with: modern resolution (`exports` maps, `.ts` endings), types of this project's choice,
 * our lowering in place of its rewriting to `exports.x`, and local files looked at when a cell runs instead of watched.
 *
 * tslab has no options for any of this, so its compiler module is replaced by a copy with some functions changed while
 * `converter.js` is loaded. The version of tslab is pinned for that reason.
 */
export function createConverterHost(options: CompilerHostOptions): ConverterHost {
  const ts = loadCompiler()
  const watched = new Map<string, Watched>()
  let emitted: Partial<Emitted> = {}
  const capture = (name: string, text: string): void => {
    if (name.endsWith('.js')) emitted.js = text
    if (name.endsWith('.js.map')) emitted.map = text
  }
  let current: CellProgram | undefined
  const onProgram = (program: CellProgram): void => {
    current = program
  }
  const onCell = ({ file, program }: CellProgram): void => {
    emitted.innerVars = declareInnerVars(ts, file, program)
    emitted.resultType = typeOfResult(ts, file, program)
  }
  const texts = new LibraryTexts(dirname(compilerFile))
  const early = new EarlyTypes({ ...options, nodeTypes: nodeTypesFile(ts) })
  let setRoots = (): void => {}
  const onWatch = (set: () => void): void => {
    setRoots = set
  }
  const patched = patchCompiler(ts, options, { watched, texts, early, capture, onProgram, onCell, onWatch })
  const tslab = loadConverter(patched)
  return {
    ts,
    converter: tslab.createConverter(),
    isCompleteCode: tslab.isCompleteCode,
    takeEmitted() {
      const { js, map, innerVars = '', resultType = null } = emitted
      emitted = {}
      return js === undefined || map === undefined ? undefined : { js, map, innerVars, resultType }
    },
    get current() {
      return current!
    },
    isEnough: code => early.isEnough(code, current!),
    addNodeTypes() {
      if (!early.isEarly) return false
      early.end()
      setRoots()
      return true
    },
    addDocumentation: () => texts.addDocumentation(),
    refresh() {
      for (const [path, entry] of watched) {
        const stamp = stampOf(path)
        if (stamp === entry.stamp) continue
        entry.stamp = stamp
        entry.callback(path, stamp === '' ? ts.FileWatcherEventKind.Deleted : ts.FileWatcherEventKind.Changed)
      }
    },
  }
}

/** Size and time of change of a file, or an empty string when there is none. */
export function stampOf(path: string): string {
  try {
    const stat = statSync(path)
    return stat.isFile() ? `${stat.mtimeMs}:${stat.size}` : ''
  } catch {
    return ''
  }
}

function loadConverter(compiler: Compiler): typeof import('tslab/dist/converter.js') {
  const converterFile = requireHere.resolve('tslab/dist/converter.js')
  const slot = requireHere.cache[compilerFile]!
  const original = slot.exports
  slot.exports = compiler
  delete requireHere.cache[converterFile]
  try {
    return requireHere(converterFile)
  } finally {
    slot.exports = original
  }
}

interface Hooks {
  watched: Map<string, Watched>
  texts: LibraryTexts
  early: EarlyTypes
  capture: (fileName: string, text: string) => void
  onProgram: (program: CellProgram) => void
  onCell: (program: CellProgram) => void
  /** Takes the function that has the next program made of the present root files. */
  onWatch: (setRoots: () => void) => void
}

type PreEmit = (program: TS.Program, files: readonly TS.SourceFile[]) => readonly TS.Diagnostic[]

function patchCompiler(ts: Compiler, options: CompilerHostOptions, hooks: Hooks): Compiler {
  const preEmit = (ts as unknown as { getPreEmitDiagnosticsOfFiles: PreEmit }).getPreEmitDiagnosticsOfFiles
  let cellFiles: string[] = []
  const changes = {
    sys: systemOf(ts, options.cwd, hooks),
    // tslab turns the code of a cell into a CommonJS module, which nobody uses here, at a quarter of the time a cell.
    transpileModule: () => ({ outputText: '' }),
    createWatchCompilerHost(files: string[], base: TS.CompilerOptions, sys: TS.System, _: null, ...rest: []) {
      const create = ts.createWatchCompilerHost as unknown as (...args: unknown[]) => object
      cellFiles = files
      const roots = [...files, ...hooks.early.roots]
      // tslab's own choice of builder compares all files of a program with the one before, at twice the time a cell.
      return create(roots, { ...base, ...compilerOptions(ts, options) }, sys, ts.createAbstractBuilder, ...rest)
    },
    createWatchProgram(host: { afterProgramCreate?: (builder: TS.BuilderProgram) => void }) {
      const keep = host.afterProgramCreate!
      host.afterProgramCreate = builder => keep(wrapBuilder(ts, builder, options, hooks))
      const watch = (ts.createWatchProgram as unknown as (host: object) => RootWatch)(host)
      hooks.onWatch(() => watch.updateRootFileNames([...cellFiles, ...hooks.early.roots]))
      return watch
    },
    getPreEmitDiagnosticsOfFiles: ((program, files) =>
      preEmit(program, files).filter(diagnostic => !options.tolerate(diagnostic))) satisfies PreEmit,
  }
  return { ...ts, ...changes } as unknown as Compiler
}

type RootWatch = TS.WatchOfFilesAndCompilerOptions<TS.BuilderProgram>

/** The types of Node.js that belong to this compiler: the package has others for older ones. */
function nodeTypesFile(ts: Compiler): string {
  const folder = dirname(createRequire(tslabFile).resolve('@types/node/package.json'))
  const options = { typeRoots: [dirname(folder)] }
  const found = ts.resolveTypeReferenceDirective('node', undefined, options, ts.sys).resolvedTypeReferenceDirective
  if (!found?.resolvedFileName) throw new Error(`internal: no types in ${folder}`)
  return found.resolvedFileName
}

function compilerOptions(
  ts: Compiler,
  { cwd, paths }: CompilerHostOptions,
): TS.CompilerOptions & { pathsBasePath: string } {
  const nodeTypes = createRequire(tslabFile).resolve('@types/node/package.json')
  return {
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    allowImportingTsExtensions: true,
    lib: ['lib.es2023.d.ts'],
    types: [],
    typeRoots: [dirname(dirname(nodeTypes))],
    checkJs: false,
    disableTopLevelAwait: false,
    sourceMap: true,
    paths,
    pathsBasePath: cwd,
  }
}

// Only files of the user are worth looking at again: the libraries of the compiler and packages stay as they were loaded.
function systemOf(
  ts: Compiler,
  cwd: string,
  { watched, texts, early }: Pick<Hooks, 'watched' | 'texts' | 'early'>,
): TS.System {
  const ignore = { close() {} }
  return Object.assign(Object.create(ts.sys) as TS.System, {
    getCurrentDirectory: () => cwd.split(sep).join('/'),
    watchDirectory: () => ignore,
    readFile: (path: string, encoding?: string) =>
      early.read(path) ?? texts.read(path, () => ts.sys.readFile(path, encoding)),
    fileExists: (path: string) => path === early.path || ts.sys.fileExists(path),
    watchFile(path: string, callback: TS.FileWatcherCallback) {
      if (texts.watch(path, () => callback(path, ts.FileWatcherEventKind.Changed))) return ignore
      if (path.includes('/node_modules/')) return ignore
      watched.set(path, { callback, stamp: stampOf(path) })
      return { close: () => watched.delete(path) }
    },
  })
}

/** Functions of the compiler that its type declarations leave out. */
interface Internals {
  bindSourceFile(file: TS.SourceFile, options: TS.CompilerOptions): void
  getResolvedModule(file: TS.SourceFile, name: string, mode: undefined): TS.ResolvedModule | undefined
}

function wrapBuilder(ts: Compiler, builder: TS.BuilderProgram, options: CompilerHostOptions, hooks: Hooks) {
  const program = builder.getProgram()
  const cell = program.getSourceFiles().find(file => file.fileName.endsWith('/__tslab__.ts'))
  if (cell) hooks.onProgram({ program, file: cell })
  // tslab reads the names that a cell declares from here; binding this file alone spares a type checker.
  if (cell) (ts as unknown as Internals).bindSourceFile(cell, program.getCompilerOptions())
  const emit: TS.BuilderProgram['emit'] = (file, write, token, onlyDts, transformers) => {
    if (file === undefined || file !== cell) return { emitSkipped: true, diagnostics: [] }
    hooks.onCell({ file, program })
    const both: TS.WriteFileCallback = (name, text, ...rest) => {
      hooks.capture(name, text)
      write?.(name, text, ...rest)
    }
    return builder.emit(file, both, token, onlyDts, { ...transformers, after: [lowerCell(ts, options.declared)] })
  }
  const getAllDependencies = (file: TS.SourceFile) => localDependencies(ts, program, file, options.isChecked)
  return Object.assign(Object.create(builder) as TS.BuilderProgram, { emit, getAllDependencies })
}

/** The file and the checked local files that it imports, directly or through others. */
function localDependencies(
  ts: Compiler,
  program: TS.Program,
  root: TS.SourceFile,
  isChecked: (fileName: string) => boolean,
): string[] {
  const found = new Set([root.fileName])
  for (const name of found) {
    const file = program.getSourceFile(name) as (TS.SourceFile & { imports?: TS.StringLiteralLike[] }) | undefined
    for (const { text } of file?.imports ?? []) {
      const target = (ts as unknown as Internals).getResolvedModule(file!, text, undefined)?.resolvedFileName
      if (target !== undefined && isChecked(target)) found.add(target)
    }
  }
  return [...found]
}

/** The file URL of a path, for imports. */
export function urlOf(path: string): string {
  return pathToFileURL(path).href
}
