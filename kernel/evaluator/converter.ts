import { existsSync } from 'node:fs'
import { createRequire, isBuiltin } from 'node:module'
import { dirname, join } from 'node:path'
import type TS from '@tslab/typescript-for-tslab'
import type { Diagnostic } from 'tslab/dist/converter.js'
import { type CandidateDetails, candidateDetails } from './candidates.js'
import { type Compiler, type ConverterHost, createConverterHost, type Emitted } from './compiler-host.js'
import { isBare, packageOf } from './modules.js'
import { topLevelNames, typeNames } from './vars.js'

export type Conversion =
  | { ok: true; emitted: Emitted; warnings: string[] }
  | { ok: false; diagnostics: readonly Diagnostic[] }

/** Names that cells may use without importing them; their types cost time, so they join when one is first used. */
export interface TypedGlobals {
  /** The package that they are imported from, for the types. */
  from: string
  names: readonly string[]
  /** Further names, each with its declaration: `lab` -> `const lab: import("...").Lab`. */
  declared: Readonly<Record<string, string>>
}

export interface CellConverterOptions {
  cwd: string
  /** A folder whose packages are loaded when those of `cwd` lack one. */
  fallback: string
  /** Declarations that every cell sees, as of a `.d.ts` file. */
  ambient: string
  globals: TypedGlobals
  /** Import names with a place of their own: name -> file or folder. */
  paths: Record<string, string[]>
  /** Names that have a variable in the session already; scripts add theirs when they run. */
  declared: ReadonlySet<string>
  /** The TypeScript file that a path means, as the module loader sees it. */
  findLocal: (path: string) => string | undefined
  isChecked: (fileName: string) => boolean
  /** Declarations that only this code needs, before all others. */
  declarationsFor: (code: string) => string
}

const moduleNotFound = new Set([2307, 2792])
const nameNotFound = new Set([2304, 2503, 2552, 2580, 2693, 2708])

/** tslab's converter as this evaluator uses it: cells to scripts, and the declarations of all cells so far. */
export class CellConverter {
  readonly #options: CellConverterOptions
  #host: ConverterHost
  #declarations: string
  /** Imports that have no types; each is reported once. */
  readonly #untyped = new Set<string>()
  #tolerated = new Set<string>()
  #hasGlobals = false

  constructor(options: CellConverterOptions) {
    this.#options = options
    this.#declarations = options.ambient
    this.#host = this.#createHost({ isEarly: true })
  }

  get ts(): Compiler {
    return this.#host.ts
  }

  /** Whether a cell has used one of the typed globals (or completion has offered them). */
  get usesGlobals(): boolean {
    return this.#hasGlobals
  }

  /** The script of a cell; its declarations are remembered from here on, whatever happens when it runs. */
  convert(code: string): Conversion {
    let conversion = this.#convert(code)
    if (!conversion.ok && this.#namesGlobal(conversion.diagnostics)) {
      this.addGlobals()
      this.#host.addNodeTypes()
      conversion = this.#convert(code)
    }
    const stands = conversion.ok && this.#tolerated.size === 0 && this.#host.isEnough(code)
    if (!stands && this.#host.addNodeTypes()) conversion = this.#convert(code)
    const added = [...this.#tolerated].filter(name => !this.#untyped.has(name))
    if (!conversion.ok || added.length === 0) return conversion
    // The compiler remembers what it did not find: it may have been installed or written since.
    this.#host.converter.close()
    this.#host = this.#createHost({ isEarly: false })
    const second = this.#convert(code)
    for (const name of this.#tolerated) this.#untyped.add(name)
    const warnings = [...this.#tolerated].map(
      name => `'${name}' has no types that TypeScript finds; its imports are any`,
    )
    return second.ok ? { ...second, warnings } : second
  }

  /** Makes the typed globals known to cells, as far as no cell has declared the same name. */
  addGlobals(): void {
    if (this.#hasGlobals) return
    this.#hasGlobals = true
    const { names, from, declared: further } = this.#options.globals
    const declared = this.#declaredNames()
    const isFree = (name: string) => !declared.has(name)
    const free = names.filter(isFree)
    const lines = Object.entries(further).flatMap(([name, declaration]) =>
      isFree(name) ? `declare ${declaration};` : [],
    )
    if (free.length > 0) lines.unshift(`import { ${free.join(', ')} } from "${from}";`)
    this.#declarations = [...lines, this.#declarations].join('\n')
  }

  /** Reads all types of Node.js and the language with their documentation. Returns whether some were missing. */
  addDocumentation(): boolean {
    const wasEarly = this.#host.addNodeTypes()
    return this.#host.addDocumentation() || wasEarly
  }

  complete(code: string, cursor: number) {
    this.addDocumentation()
    this.#host.refresh()
    return this.#guarded(() => this.#host.converter.complete(this.#declarationsFor(code), code, cursor))
  }

  /** Signatures and documentation of candidates that {@link complete} has just given for the same code and cursor. */
  describe(cursor: number, names: readonly string[]): Map<string, CandidateDetails> {
    return candidateDetails(this.ts, this.#host.current, { cursor, names })
  }

  inspect(code: string, position: number): TS.QuickInfo | undefined {
    this.addDocumentation()
    this.#host.refresh()
    return this.#guarded(
      () => this.#host.converter.inspect(this.#declarationsFor(code), code, position) as TS.QuickInfo | undefined,
    )
  }

  needsMoreLines(code: string): { completed: boolean; indent?: string } {
    return this.#host.isCompleteCode(code)
  }

  close(): void {
    this.#host.converter.close()
  }

  #convert(code: string): Conversion {
    this.#tolerated = new Set()
    this.#host.refresh()
    this.#host.takeEmitted()
    const { diagnostics, declOutput } = this.#guarded(() =>
      this.#host.converter.convert(this.#declarationsFor(code), code),
    )
    const emitted = this.#host.takeEmitted()
    const errors = diagnostics.filter(diagnostic => diagnostic.category === this.ts.DiagnosticCategory.Error)
    if (errors.length > 0 || emitted === undefined) return { ok: false, diagnostics: errors }
    this.#declarations = emitted.innerVars + (declOutput ?? this.#declarations)
    return { ok: true, emitted, warnings: [] }
  }

  /** A compiler that broke down (code nested too deeply for its stack) is in no state to be used again. */
  #guarded<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      this.#host = this.#createHost({ isEarly: false })
      throw error
    }
  }

  // What is declared first is what counts; tslab drops the same name of an earlier cell.
  #declarationsFor(code: string): string {
    return this.#options.declarationsFor(code) + this.#declarations
  }

  #createHost({ isEarly }: { isEarly: boolean }): ConverterHost {
    const { cwd, paths, declared, isChecked } = this.#options
    const tolerate = (diagnostic: TS.Diagnostic) => this.#tolerate(diagnostic)
    return createConverterHost({ cwd, paths, declared, isChecked, isEarly, tolerate })
  }

  /** A module without types is no error when it will load. */
  #tolerate({ code, file, start, length }: TS.Diagnostic): boolean {
    if (!moduleNotFound.has(code) || file === undefined || start === undefined) return false
    const specifier = file.text.slice(start + 1, start + (length ?? 0) - 1)
    if (!this.#canLoad(specifier)) return false
    this.#tolerated.add(specifier)
    return true
  }

  #canLoad(specifier: string): boolean {
    const { cwd, fallback, findLocal } = this.#options
    if (!isBare(specifier)) return findLocal(join(cwd, specifier)) !== undefined || canResolve(specifier, cwd)
    // Node remembers a package that it did not find: it must not be asked before the package is there.
    const folder = [cwd, fallback].find(one => isInstalled(packageOf(specifier), one))
    return folder === undefined ? isBuiltin(specifier) : canResolve(specifier, folder)
  }

  #namesGlobal(diagnostics: readonly Diagnostic[]): boolean {
    if (this.#hasGlobals) return false
    const { names: exported, declared } = this.#options.globals
    const names = new Set([...exported, ...Object.keys(declared)])
    return diagnostics.some(
      ({ code, messageText }) => nameNotFound.has(code) && names.has(/'([^']+)'/.exec(messageText)?.[1] ?? ''),
    )
  }

  #declaredNames(): Set<string> {
    const file = this.ts.createSourceFile('declarations.d.ts', this.#declarations, this.ts.ScriptTarget.Latest)
    return new Set([...topLevelNames(this.ts, file), ...typeNames(this.ts, file)])
  }
}

function canResolve(specifier: string, folder: string): boolean {
  try {
    createRequire(join(folder, 'cell.js')).resolve(specifier)
    return true
  } catch (error) {
    // The package is there, its `exports` are for `import` only.
    return (error as NodeJS.ErrnoException).code === 'ERR_PACKAGE_PATH_NOT_EXPORTED'
  }
}

function isInstalled(name: string, folder: string): boolean {
  if (existsSync(join(folder, 'node_modules', name))) return true
  const parent = dirname(folder)
  return parent !== folder && isInstalled(name, parent)
}
