/**
 * What V8 has compiled of a large CommonJS module, kept on disk between processes: the TypeScript compiler has 8 MB of source, and
 * compiling what a first cell needs of it takes a third of a second. The text of the module itself is always read from its own file.
 */
import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { createRequire, Module } from 'node:module'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { cachedDataVersionTag } from 'node:v8'
import vm from 'node:vm'

export interface CachedModule {
  exports: unknown
  /** Writes what was compiled by now, if what there is on disk did not serve. Call it when there is time: it takes 0.2 s. */
  save(): void
}

/** The directory of compiled modules: `llama-pro-lab/compiled` in `XDG_CACHE_HOME` or `~/.cache`. */
export function compileCacheDirectory(env: Record<string, string | undefined> = process.env): string {
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'llama-pro-lab', 'compiled')
}

/** Loads the module in `file` as `require` does, once a process. A cache that is missing, damaged or of other versions costs time only. */
export function requireCached(file: string, directory = compileCacheDirectory()): CachedModule {
  const require = createRequire(file)
  const loaded = require.cache[file]
  if (loaded) return { exports: loaded.exports, save() {} }
  const path = join(directory, `${keyOf(file)}.bin`)
  const cachedData = readSealed(path)
  const script = new vm.Script(Module.wrap(readFileSync(file, 'utf8')), {
    filename: file,
    ...(cachedData && { cachedData }),
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  })
  const module = new Module(file)
  module.filename = file
  require.cache[file] = module
  try {
    const run = script.runInThisContext() as (...args: unknown[]) => void
    run.call(module.exports, module.exports, require, module, file, dirname(file))
  } catch (error) {
    delete require.cache[file]
    throw error
  }
  module.loaded = true
  const save = () => {
    if (cachedData && script.cachedDataRejected === false) return
    try {
      writeSealed(path, script.createCachedData())
    } catch {
      // a disk that cannot be written to costs the time that the cache would have saved
    }
  }
  return { exports: module.exports, save }
}

/** Changes with the file, the version of V8 and its flags. */
function keyOf(file: string): string {
  const { size, mtimeMs } = statSync(file)
  const key = JSON.stringify([file, size, mtimeMs, process.version, process.arch, cachedDataVersionTag()])
  return createHash('sha256').update(key).digest('hex').slice(0, 32)
}

const digestOf = (data: Uint8Array) => createHash('sha256').update(data).digest()
const digestBytes = 32

/** The digest goes first: V8 itself does not notice changed bytes, and would run them. */
function writeSealed(path: string, data: Buffer): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${process.pid}`
  writeFileSync(temporary, Buffer.concat([digestOf(data), data]), { mode: 0o600 })
  renameSync(temporary, path)
}

function readSealed(path: string): Buffer | undefined {
  try {
    const sealed = readFileSync(path)
    const data = sealed.subarray(digestBytes)
    return digestOf(data).equals(sealed.subarray(0, digestBytes)) ? data : undefined
  } catch {
    return undefined
  }
}
