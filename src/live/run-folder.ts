import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { metricsFile, runFile } from '../train/run-directory.js'
import { LabError, messageOf } from '../util/errors.js'
import { LiveRun } from './live-run.js'

function isRun(dir: string): boolean {
  return existsSync(join(dir, metricsFile)) || existsSync(join(dir, runFile))
}

/** Whether there is a directory that can be looked at; what is removed at this moment is none. */
function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory()
  } catch {
    return false
  }
}

/** The runs that a path stands for: itself, or those right below it, by name. */
function runsUnder(path: string): string[] {
  if (isRun(path)) return [path]
  if (!isDirectory(path)) return []
  return readdirSync(path, { withFileTypes: true })
    .filter(entry => entry.isDirectory() && !entry.name.startsWith('.'))
    .map(entry => join(path, entry.name))
    .filter(isRun)
    .sort()
}

/** All runs of some directories; runs that appear later are found by the next update. */
export class RunFolder {
  readonly #paths: readonly string[]
  readonly #runs = new Map<string, LiveRun>()

  /** @param paths run directories, or directories of runs; one that does not exist yet is waited for */
  constructor(paths: readonly string[]) {
    const file = paths.find(path => existsSync(path) && !isDirectory(path))
    if (file !== undefined)
      throw new LabError('RUNS_DIRECTORY', `Expected a directory of runs or a run directory, found the file ${file}.`)
    this.#paths = paths.map(path => resolve(path))
  }

  /** The runs found so far, in the order of their names: it tells their dashes and markers, which a restart must not change. */
  get runs(): LiveRun[] {
    return [...this.#runs.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  byName(name: string): LiveRun | undefined {
    return this.runs.find(run => run.name === name)
  }

  /** Looks for new runs in all paths. @throws LabError RUNS_DIRECTORY in the end, when one of them cannot be listed */
  scan(): void {
    const failures: unknown[] = []
    for (const path of this.#paths) {
      try {
        for (const dir of runsUnder(path))
          if (!this.#runs.has(dir)) this.#runs.set(dir, new LiveRun(this.#nameFor(dir), dir))
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0)
      throw new LabError('RUNS_DIRECTORY', `cannot look for runs: ${failures.map(messageOf).join('; ')}`)
  }

  /** Reads what is new in all runs; a run whose directory is gone is dropped. */
  async update(): Promise<void> {
    for (const [dir, run] of this.#runs) {
      if (isDirectory(dir)) await run.update()
      else this.#runs.delete(dir)
    }
  }

  /** The name of its directory; with its parent's when that is taken. A run keeps its name. */
  #nameFor(dir: string): string {
    const taken = new Set(this.runs.map(run => run.name))
    const names = [basename(dir), `${basename(dirname(dir))}/${basename(dir)}`, dir]
    return names.find(name => !taken.has(name)) ?? dir
  }
}
