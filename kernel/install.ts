/** Makes the kernel known to Jupyter, and takes it back: a kernelspec is a directory with `kernel.json` and logos. */
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { LabError, packageVersion } from '../src/index.js'
import {
  activePrefix,
  jupyterDataDir,
  jupyterSearchPath,
  prefixDataDir,
  type Surroundings,
  surroundings,
} from './jupyter-paths.js'
import { logoPng, logoSvg } from './logo.js'
import { protocolVersion } from './protocol/header.js'

/** Key in `metadata` by which a kernelspec is known as ours. */
export const mark = 'llama-pro-lab'

/** Where a kernelspec goes; without a choice, to the user's own Jupyter directory. */
export interface KernelPlace {
  /** The user's own Jupyter directory. */
  user?: boolean
  /** Root of an environment, as in `<prefix>/share/jupyter`. */
  prefix?: string
  /** The Python environment that is active. */
  sysPrefix?: boolean
}

export interface InstallOptions extends KernelPlace {
  /** Name of the directory, by which `jupyter --kernel` knows it; default `llama-pro`. */
  name?: string
  /** Name that people see; default `Llama Pro Lab (TypeScript)`. */
  displayName?: string
  /** What is known of the system; default this process's. */
  where?: Surroundings
  /** The program of the kernel; default the one of this package, as built. */
  main?: string
}

export interface InstalledKernel {
  name: string
  directory: string
  /** Whether Jupyter looks there by itself; else `JUPYTER_PATH` has to name `dataDir`. */
  isOnSearchPath: boolean
  dataDir: string
}

/** The program that the kernel is, in the build: this module stands beside it there. */
function mainFile(): string {
  const isSource = import.meta.url.endsWith('.ts')
  return fileURLToPath(new URL(isSource ? '../dist/kernel/main.js' : './main.js', import.meta.url))
}

function dataDirOf({ user, prefix, sysPrefix }: KernelPlace, where: Surroundings): string {
  if ([user, prefix !== undefined, sysPrefix].filter(Boolean).length > 1)
    throw new LabError('USAGE', 'a kernel goes to one place: choose one of user, prefix and sys-prefix')
  if (prefix !== undefined) return prefixDataDir(prefix)
  if (!sysPrefix) return jupyterDataDir(where)
  const active = activePrefix(where)
  if (active !== null) return prefixDataDir(active)
  throw new LabError(
    'USAGE',
    'sys-prefix is the active Python environment, but neither VIRTUAL_ENV nor CONDA_PREFIX is set: activate one, or give its root as prefix',
  )
}

function directoryOf(dataDir: string, name: string): string {
  if (!/^[A-Za-z0-9._-]+$/.test(name) || /^\.+$/.test(name))
    throw new LabError(
      'USAGE',
      `the name of a kernel has letters, digits, ".", "_" and "-", got ${JSON.stringify(name)}`,
    )
  return join(dataDir, 'kernels', name)
}

/** Whether a directory is a kernelspec of ours. */
function isOurs(directory: string): boolean {
  try {
    const spec = JSON.parse(readFileSync(join(directory, 'kernel.json'), 'utf8')) as { metadata?: object }
    return spec.metadata !== undefined && mark in spec.metadata
  } catch {
    return false
  }
}

/**
 * Writes the kernelspec. It starts this Node.js and this copy of the package by their absolute paths, from any directory.
 * @throws LabError `USAGE` for a wrong place or name; `KERNEL_NAME` when another kernel has the name; `NOT_BUILT`
 */
export function installKernelSpec(options: InstallOptions = {}): InstalledKernel {
  const {
    name = 'llama-pro',
    displayName = 'Llama Pro Lab (TypeScript)',
    where = surroundings(),
    main = mainFile(),
  } = options
  const dataDir = dataDirOf(options, where)
  const directory = directoryOf(dataDir, name)
  if (!existsSync(main))
    throw new LabError('NOT_BUILT', `${main} does not exist: build the checkout first (npm run build)`)
  if (existsSync(directory) && !isOurs(directory))
    throw new LabError('KERNEL_NAME', `${directory} is another kernel; choose another --name`)
  const spec = {
    argv: [process.execPath, main, '{connection_file}'],
    display_name: displayName,
    language: 'typescript',
    interrupt_mode: 'message',
    kernel_protocol_version: protocolVersion,
    metadata: { debugger: false, [mark]: { version: packageVersion() } },
  }
  mkdirSync(directory, { recursive: true })
  for (const size of [32, 64]) writeFileSync(join(directory, `logo-${size}x${size}.png`), logoPng(size))
  writeFileSync(join(directory, 'logo-svg.svg'), logoSvg())
  writeFileSync(join(directory, 'kernel.json'), `${JSON.stringify(spec, null, 2)}\n`)
  return { name, directory, dataDir, isOnSearchPath: jupyterSearchPath(where).includes(dataDir) }
}

/**
 * Removes the kernelspec from the place where {@link installKernelSpec} with the same options puts it. Returns its directory.
 * @throws LabError `KERNEL_NAME` when there is none, or one that is not ours
 */
export function uninstallKernelSpec(options: Omit<InstallOptions, 'displayName' | 'main'> = {}): string {
  const { name = 'llama-pro', where = surroundings() } = options
  const directory = directoryOf(dataDirOf(options, where), name)
  if (!existsSync(directory)) throw new LabError('KERNEL_NAME', `no kernel is installed in ${directory}`)
  if (!isOurs(directory)) throw new LabError('KERNEL_NAME', `${directory} is another kernel; it is left alone`)
  rmSync(directory, { recursive: true })
  return directory
}
