import { type ChildProcess, type ForkOptions, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Worker, type WorkerOptions } from 'node:worker_threads'

const isSource = import.meta.url.endsWith('.ts')
const sourceOf = (url: URL) => url.href.replace(/\.js$/, '.ts')

/**
 * Starts a worker thread from a module beside the caller: `spawnWorker(new URL('./worker.js', import.meta.url))`.
 * When the caller runs from its TypeScript sources (tests, development) the `.ts` file is loaded through tsx.
 */
export function spawnWorker(url: URL, options: WorkerOptions = {}): Worker {
  if (!isSource) return new Worker(url, options)
  // the code of an evaluated worker resolves packages from the working directory, which may be anywhere
  const tsx = import.meta.resolve('tsx/esm/api')
  const bootstrap = `import(${JSON.stringify(tsx)}).then(({ register }) => { register(); return import(${JSON.stringify(sourceOf(url))}) })`
  return new Worker(bootstrap, { ...options, eval: true, execArgv: [] })
}

/** The same in a process of its own, which has a channel for messages. */
export function forkModule(
  url: URL,
  args: readonly string[],
  options: Omit<ForkOptions, 'execArgv'> = {},
): ChildProcess {
  if (!isSource) return fork(url, args, { ...options, execArgv: [] })
  return fork(fileURLToPath(sourceOf(url)), args, { ...options, execArgv: ['--import', import.meta.resolve('tsx')] })
}
