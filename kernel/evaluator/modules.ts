import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import vm from 'node:vm'
import type { LocalModules } from './local-modules.js'

type Namespace = Record<string, unknown>
type NativeImport = (specifier: string) => Promise<Namespace>

/** Node's own `import()`, resolved as if written in `file` (which need not exist). */
export function nativeImport(file: string): NativeImport {
  const script = new vm.Script('specifier => import(specifier)', {
    filename: file,
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  })
  return script.runInThisContext() as NativeImport
}

export interface ModuleLoaderOptions {
  cwd: string
  local: LocalModules
  /** Packages that are not loaded from the disk: name -> what to import. */
  provided: Record<string, () => Promise<Namespace>>
  /** A folder whose packages are used when those of `cwd` lack one. */
  fallback: string
}

/** Loads what cells import: TypeScript files anew when they changed, everything else as Node does. */
export class ModuleLoader {
  readonly #options: ModuleLoaderOptions
  readonly #importers = new Map<string, NativeImport>()

  constructor(options: ModuleLoaderOptions) {
    this.#options = options
  }

  /** The module namespace of `specifier` as seen from a cell, or from the local module `importer`. */
  async load(specifier: string, importer = join(this.#options.cwd, 'cell.mts')): Promise<Namespace> {
    const provided = this.#options.provided[specifier]
    if (provided) return provided()
    const file = localPath(specifier, importer)
    const source = file === undefined ? undefined : this.#options.local.find(file)
    if (source !== undefined) return this.#options.local.load(source)
    if (file?.endsWith('.json')) return jsonModule(file)
    return this.#importNative(specifier, importer)
  }

  /** The TypeScript file that a path means, or undefined. */
  findLocal(path: string): string | undefined {
    return this.#options.local.find(path)
  }

  /** The named exports of a module, in the order asked; `*` is the whole namespace. */
  async bind(specifier: string, names: string[]): Promise<unknown[]> {
    const namespace = await this.load(specifier)
    return names.map(name => {
      if (name === '*') return namespace
      if (name in namespace) return namespace[name]
      // Node finds the names of a CommonJS module by reading its source, and misses some.
      const common = namespace['default']
      if (typeof common === 'object' && common !== null && Object.hasOwn(common, name))
        return (common as Namespace)[name]
      throw missingExport(specifier, name, namespace)
    })
  }

  async #importNative(specifier: string, importer: string): Promise<Namespace> {
    try {
      return await this.#importer(importer)(specifier)
    } catch (error) {
      const code = (error as NodeJS.ErrnoException | undefined)?.code
      if (code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') return commonJs(createRequire(importer), specifier)
      const isOther = !(error as Error).message?.includes(`'${packageOf(specifier)}'`)
      if (code !== 'ERR_MODULE_NOT_FOUND' || !isBare(specifier) || isOther) throw error
      return this.#importer(join(this.#options.fallback, 'cell.mjs'))(specifier).catch(() => Promise.reject(error))
    }
  }

  #importer(file: string): NativeImport {
    const known = this.#importers.get(file)
    if (known) return known
    const importer = nativeImport(file)
    this.#importers.set(file, importer)
    return importer
  }
}

/** Whether a name is that of a package (or of a part of Node), not a path or an address. */
export function isBare(specifier: string): boolean {
  return !/^(\.{0,2}\/|[a-z]+:)/i.test(specifier)
}

/** `@scope/name/part` -> `@scope/name`. */
export function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

function localPath(specifier: string, importer: string): string | undefined {
  if (specifier.startsWith('file:')) return fileURLToPath(specifier)
  if (/^\.{1,2}(\/|$)/.test(specifier)) return join(importer, '..', specifier)
  return specifier.startsWith('/') ? specifier : undefined
}

function jsonModule(file: string): Namespace {
  const value: unknown = JSON.parse(readFileSync(file, 'utf8'))
  return { ...(typeof value === 'object' ? value : null), default: value }
}

// A package that exports only to `require` has no entry for `import`.
function commonJs(require: NodeJS.Require, specifier: string): Namespace {
  const value: unknown = require(specifier)
  const isObject = (typeof value === 'object' && value !== null) || typeof value === 'function'
  return { ...(isObject ? (value as Namespace) : null), default: value }
}

function missingExport(specifier: string, name: string, namespace: Namespace): SyntaxError {
  if (name === 'default')
    return new SyntaxError(`'${specifier}' has no default export; write: import * as name from '${specifier}'`)
  const known = Object.keys(namespace).filter(key => key !== 'default')
  const list = known.slice(0, 20).join(', ') + (known.length > 20 ? ', ...' : '')
  return new SyntaxError(`'${specifier}' has no export named '${name}'; it exports ${list || 'nothing by name'}`)
}
