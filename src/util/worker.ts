import { Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * Starts a worker thread from a module beside the caller: `spawnWorker(new URL('./worker.js', import.meta.url))`.
 * When the caller runs from its TypeScript sources (tests, development) the `.ts` file is loaded through tsx.
 */
export function spawnWorker(url: URL, options: WorkerOptions = {}): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(url, options)
  const source = url.href.replace(/\.js$/, '.ts')
  // the code of an evaluated worker resolves packages from the working directory, which may be anywhere
  const tsx = import.meta.resolve('tsx/esm/api')
  const bootstrap = `import(${JSON.stringify(tsx)}).then(({ register }) => { register(); return import(${JSON.stringify(source)}) })`
  return new Worker(bootstrap, { ...options, eval: true, execArgv: [] })
}
