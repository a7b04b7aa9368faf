import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import vm from 'node:vm'
import { type Compiler, stampOf, urlOf } from './compiler-host.js'
import { lowerModule } from './lower.js'

type Namespace = Record<string, unknown>

/** One version of a local TypeScript file. */
interface Instance {
  readonly path: string
  readonly stamp: string
  readonly namespace: Namespace
  /** Local files that it imports. */
  readonly dependencies: Instance[]
  /** Told about every export of this instance, now and when it changes (live bindings). */
  readonly importers: (() => void)[]
  execute: () => unknown
  done?: Promise<void>
  /** Its code threw: it is run anew by the next import, and so is what imports it. */
  hasFailed?: boolean
}

/** What TypeScript emits for a module in the `System` format. */
interface Registration {
  setters: ((namespace: Namespace) => void)[]
  execute: () => unknown
}
type Declare = (exporter: (name: string | Namespace, value?: unknown) => unknown, context: object) => Registration

export interface LocalModulesOptions {
  /** Imports whatever is not a local TypeScript file. */
  load: (specifier: string, importer: string) => Promise<Namespace>
  /** Told the source map of every file that is loaded, for stacks. */
  onSource: (path: string, map: string) => void
}

/**
 * Local TypeScript files that cells import. A file is compiled and run once, and again by the next import after it or
 * one of the local files that it imports has changed or has failed. Files may use `await` at top level and import each other in circles.
 */
export class LocalModules {
  readonly #ts: Compiler
  readonly #options: LocalModulesOptions
  readonly #instances = new Map<string, Instance>()

  constructor(ts: Compiler, options: LocalModulesOptions) {
    this.#ts = ts
    this.#options = options
  }

  /** The TypeScript file that an import of this path means (`x`, `x.js`, `x.ts`, a folder), or undefined. */
  find(path: string): string | undefined {
    const swapped = path.replace(/\.(m?)js(x?)$/, '.$1ts$2')
    const candidates = /\.m?tsx?$/.test(path)
      ? [path]
      : swapped !== path
        ? [swapped, swapped.replace(/\.ts$/, '.tsx')]
        : [`${path}.ts`, `${path}.tsx`, `${path}.mts`, `${path}/index.ts`]
    if (swapped !== path && stampOf(path) !== '' && stampOf(swapped) === '') return undefined
    return candidates.find(candidate => stampOf(candidate) !== '')
  }

  /** The exports of the file's present version. */
  async load(path: string): Promise<Namespace> {
    const known = this.#instances.get(path)
    const instance = known && isFresh(known) ? known : await this.#link(path, new Map())
    await run(instance, new Set())
    return instance.namespace
  }

  async #link(path: string, linking: Map<string, Instance>): Promise<Instance> {
    const known = linking.get(path) ?? this.#instances.get(path)
    if (known && (linking.has(path) || isFresh(known))) return known
    const { names, declare } = this.#compile(path)
    const instance: Instance = {
      path,
      stamp: stampOf(path),
      namespace: Object.create(null) as Namespace,
      dependencies: [],
      importers: [],
      execute: () => undefined,
    }
    linking.set(path, instance)
    const registration = declare(exporterOf(instance), {
      import: (specifier: string) => this.#options.load(specifier, path),
      meta: { url: urlOf(path), filename: path },
    })
    for (const [i, name] of names.entries()) await this.#connect(instance, name, registration.setters[i]!, linking)
    instance.execute = registration.execute
    this.#instances.set(path, instance)
    return instance
  }

  async #connect(
    instance: Instance,
    specifier: string,
    setter: (namespace: Namespace) => void,
    linking: Map<string, Instance>,
  ): Promise<void> {
    const local = specifier.startsWith('.')
      ? this.find(join(dirname(instance.path), specifier))
      : specifier.startsWith('/')
        ? this.find(specifier)
        : undefined
    if (local === undefined) return setter(await this.#options.load(specifier, instance.path))
    const dependency = await this.#link(local, linking)
    instance.dependencies.push(dependency)
    dependency.importers.push(() => setter(dependency.namespace))
    setter(dependency.namespace)
  }

  #compile(path: string): { names: string[]; declare: Declare } {
    const ts = this.#ts
    const { outputText, sourceMapText } = ts.transpileModule(readFileSync(path, 'utf8'), {
      fileName: path,
      transformers: { before: [lowerModule(ts)] },
      compilerOptions: {
        module: ts.ModuleKind.System,
        target: ts.ScriptTarget.ES2022,
        jsx: ts.JsxEmit.React,
        esModuleInterop: true,
        experimentalDecorators: true,
        sourceMap: true,
      },
    })
    this.#options.onSource(path, sourceMapText!)
    const registered: { names: string[]; declare: Declare }[] = []
    // A comment instead of a newline, so that lines stay those of the source map.
    const wrapped = new vm.Script(`(function (System) { ${outputText}\n})`, { filename: path })
    wrapped.runInThisContext()({ register: (names: string[], declare: Declare) => registered.push({ names, declare }) })
    return registered[0]!
  }
}

function exporterOf(instance: Instance) {
  return (name: string | Namespace, value?: unknown): unknown => {
    Object.assign(instance.namespace, typeof name === 'string' ? { [name]: value } : name)
    for (const notify of instance.importers) notify()
    return value
  }
}

function isFresh(instance: Instance, seen = new Set<Instance>()): boolean {
  if (seen.has(instance)) return true
  seen.add(instance)
  if (instance.hasFailed || stampOf(instance.path) !== instance.stamp) return false
  return instance.dependencies.every(one => isFresh(one, seen))
}

/** Runs the dependencies, then the instance, each once. */
async function run(instance: Instance, running: Set<Instance>): Promise<void> {
  if (running.has(instance)) return
  running.add(instance)
  for (const dependency of instance.dependencies) await run(dependency, running)
  instance.done ??= Promise.resolve()
    .then(async () => {
      await instance.execute()
    })
    .catch((error: unknown) => {
      instance.hasFailed = true
      throw error
    })
  await instance.done
}
