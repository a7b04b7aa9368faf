import { Worker, type WorkerOptions } from 'node:worker_threads'

/**
 * Starts a worker thread from a module beside the caller. When the kernel runs from its TypeScript sources (tests, development)
 * the `.ts` file is loaded through tsx.
 */
export function spawnWorker(url: URL, options: WorkerOptions = {}): Worker {
  if (!import.meta.url.endsWith('.ts')) return new Worker(url, options)
  const source = url.href.replace(/\.js$/, '.ts')
  const bootstrap = `import('tsx/esm/api').then(({ register }) => { register(); return import(${JSON.stringify(source)}) })`
  return new Worker(bootstrap, { ...options, eval: true, execArgv: [] })
}
