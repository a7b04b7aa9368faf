/** What this machine has of Jupyter, and whether our kernels are known to it; found without running Python. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { delimiter, dirname, isAbsolute, join } from 'node:path'
import { mark } from './install.js'
import { activePrefix, jupyterSearchPath, prefixDataDir, type Surroundings, surroundings } from './jupyter-paths.js'

/** Programs of Jupyter, the one that people want most first. */
const programs = ['jupyter-lab', 'jupyter-notebook', 'jupyter']

export interface KernelSpecState {
  name: string
  directory: string
  /** What is wrong with it; null when it starts a program that is there. */
  problem: string | null
}

/** Path of Jupyter's program on `PATH` or in the active Python environment; null when there is none. */
export function findJupyter(where: Surroundings = surroundings()): string | null {
  const { env, platform } = where
  const prefix = activePrefix(where)
  const [folder, ending] = platform === 'win32' ? ['Scripts', '.exe'] : ['bin', '']
  const folders = [...(prefix === null ? [] : [join(prefix, folder!)]), ...(env['PATH'] ?? '').split(delimiter)]
  for (const program of programs)
    for (const each of folders)
      if (isAbsolute(each) && existsSync(join(each, program + ending))) return join(each, program + ending)
  return null
}

/** Our kernels, wherever Jupyter looks: of those with one name only the first counts, as in Jupyter. */
export function findKernelSpecs(where: Surroundings = surroundings()): KernelSpecState[] {
  const jupyter = findJupyter(where)
  const ofJupyter = jupyter === null ? [] : [prefixDataDir(dirname(dirname(jupyter)))]
  const found = new Map<string, KernelSpecState | null>()
  for (const dataDir of new Set([...jupyterSearchPath(where), ...ofJupyter])) {
    const folder = join(dataDir, 'kernels')
    for (const name of existsSync(folder) ? readdirSync(folder) : [])
      if (!found.has(name)) found.set(name, stateOf(name, join(folder, name)))
  }
  return [...found.values()].filter(state => state !== null)
}

/** Null for a kernel that is not ours. */
function stateOf(name: string, directory: string): KernelSpecState | null {
  let spec: { argv?: unknown; metadata?: Record<string, unknown> }
  try {
    spec = JSON.parse(readFileSync(join(directory, 'kernel.json'), 'utf8')) as typeof spec
  } catch {
    return null
  }
  if (spec.metadata?.[mark] === undefined) return null
  const files = Array.isArray(spec.argv) ? spec.argv.filter(part => typeof part === 'string' && isAbsolute(part)) : []
  const missing = files.find(file => !existsSync(file))
  const problem =
    files.length < 2 ? 'it does not say what it starts' : missing ? `it starts ${missing}, which does not exist` : null
  return { name, directory, problem }
}
