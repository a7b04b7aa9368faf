import { createRequire } from 'node:module'
import { join } from 'node:path'
import { type Cell, cellStorage, Interrupted } from './cell.js'
import { urlOf } from './compiler-host.js'
import { createDisplay, type Render } from './display.js'
import { valuesOf } from './globals.js'
import { ALL_STOPS } from './interrupt.js'
import { runtimeName, stopFlagName } from './lower.js'
import type { ModuleLoader } from './modules.js'

export interface RuntimeOptions {
  cwd: string
  loader: ModuleLoader
  render: Render
  /** The slots of the interrupt watcher; the first one is the stop flag. */
  slots: Int32Array
  /** Told the names that a script has made variables for. */
  declare: (names: string[]) => void
  /** The cell that runs now. */
  running: () => Cell | undefined
  /** The cell that runs now, or the last one. */
  current: () => Cell | undefined
  /** Told of a display that failed when its cell had ended. */
  onLateError: (cell: Cell, error: unknown) => void
}

/** The global properties that cells use: those that lowered code calls and those that users write. */
export function runtimeGlobals({
  cwd,
  declare,
  loader,
  render,
  slots,
  running,
  current,
  onLateError,
}: RuntimeOptions): Record<string, PropertyDescriptor> {
  const cellOf = (): Cell => {
    const cell = cellStorage.getStore() ?? current()
    if (!cell) throw new Error('display, prompt and interrupted belong to a cell, and no cell has run yet')
    return cell
  }
  const stop = (): never => {
    throw new Interrupted()
  }
  /** Whether the code that asks has to end. What other cells than the running one have left goes on, unless it blocks the thread. */
  const hasToStop = (): boolean => {
    const cell = cellStorage.getStore()
    const isMeant = slots[0] === ALL_STOPS || (slots[0] !== 0 && (cell === undefined || cell === running()))
    return isMeant || cell?.wasInterrupted === true
  }
  const file = join(cwd, 'cell.ts')
  const runtime = {
    declare,
    load: (specifier: string) => loader.load(String(specifier)),
    bind: (specifier: string, names: string[]) => loader.bind(specifier, names),
    result: (value: unknown) => cellStorage.getStore()?.setResult(value),
    /** After every `await` of cell code, and where a loop finds the flag set: ends what was interrupted. */
    resume: <T>(value: T): T => (hasToStop() ? stop() : value),
    meta: { url: urlOf(file), filename: file, dirname: cwd },
  }
  const prompt = async (message = '', { password = false } = {}): Promise<string> => {
    const { input } = cellOf().options
    if (!input) throw new Error('this front end does not ask for input')
    return input(String(message), password)
  }
  return {
    [runtimeName]: { value: runtime },
    [stopFlagName]: { value: slots },
    ...valuesOf({
      display: createDisplay({ cellOf, render, onLateError }),
      prompt,
      require: createRequire(join(cwd, 'cell.js')),
    }),
    interrupted: { get: () => cellOf().signal },
  }
}
