import { type Cell, cellStorage, Interrupted } from './cell.js'

/**
 * Keeps cells from ending the process: `process.exit` and its like throw inside a cell, and errors that nobody caught
 * (timers, rejected promises) are reported to the cell that they come from. Returns the function that undoes it.
 */
export function guardProcess(report: (cell: Cell | undefined, error: unknown) => void): () => void {
  const undo = [...exits.map(guardExit), onUncaught(report), hideLoaderWarning()]
  return () => {
    for (const one of undo) one()
  }
}

const exits = ['exit', 'reallyExit', 'abort'] as const

function guardExit(name: (typeof exits)[number]): () => void {
  const target = process as unknown as Record<string, (...args: unknown[]) => never>
  const original = target[name]!
  const guarded = (...args: unknown[]): never => {
    if (!cellStorage.getStore()) return Reflect.apply(original, process, args)
    throw new Error(`process.${name}() in a cell would end the kernel with all it holds; use the front end's shutdown`)
  }
  target[name] = guarded
  return () => {
    if (target[name] === guarded) target[name] = original
  }
}

function onUncaught(report: (cell: Cell | undefined, error: unknown) => void): () => void {
  const listener = (error: unknown): void => {
    const cell = cellStorage.getStore()
    if (!isOfInterrupt(error, cell)) report(cell, error)
  }
  process.on('uncaughtException', listener)
  process.on('unhandledRejection', listener)
  return () => {
    process.off('uncaughtException', listener)
    process.off('unhandledRejection', listener)
  }
}

/** What a cell that was stopped leaves behind: its signal's reason, Node's AbortError with that as its cause, or the library's error. */
export function isOfInterrupt(error: unknown, cell: Cell | undefined): boolean {
  if (!(error instanceof Error) || (cell && !cell.wasInterrupted)) return false
  const isAborted = cell !== undefined && 'code' in error && error.code === 'ABORTED'
  return error instanceof Interrupted || error.cause instanceof Interrupted || isAborted
}

// Node calls the loader that cells import through experimental, once a process; the user has not chosen it.
function hideLoaderWarning(): () => void {
  const original = process.emitWarning
  const filtered = (...args: unknown[]): void => {
    if (!String(args[0]).includes('USE_MAIN_CONTEXT_DEFAULT_LOADER')) Reflect.apply(original, process, args)
  }
  process.emitWarning = filtered as typeof process.emitWarning
  return () => {
    if (process.emitWarning === filtered) process.emitWarning = original
  }
}
