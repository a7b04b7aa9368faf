/** Entry of the server thread. */
import { writeSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import type { ServerData, ToMain, ToServer } from './link.js'
import { KernelServer } from './server.js'

/** How often the parent process is looked for, in milliseconds. */
const parentCheckMs = 1000
/** How long the main thread has to end after a shutdown, in milliseconds; front ends wait five seconds. */
const shutdownMs = 4500

const port = parentPort!
const options = workerData as ServerData

/** Straight to the descriptor: the streams of a worker pass through the main thread, which may be computing. */
function log(line: string): void {
  try {
    writeSync(2, `[llama-pro kernel] ${line}\n`)
  } catch {
    // nobody reads the log, or its reader is slow; the kernel serves on
  }
}

async function serve(): Promise<void> {
  const server = await KernelServer.start(options, { post, log })
  // the thread must not end with open sockets, not even by a mistake of ours
  process.on('uncaughtException', error => {
    post({ type: 'failed', message: `internal: ${error.stack ?? error.message}` })
    void server.close()
  })
  port.on('message', (message: ToServer) => server.onMain(message))
  const watch = setInterval(() => {
    if (options.parentPid === null || process.ppid === options.parentPid) return
    clearInterval(watch)
    log('the process that started the kernel has ended')
    post({ type: 'shutdown', restart: false })
  }, parentCheckMs)
  port.postMessage({ type: 'bound' } satisfies ToMain)

  function post(message: ToMain): void {
    port.postMessage(message)
    if (message.type === 'shutdown') setTimeout(() => void end(server), shutdownMs).unref()
    if (message.type !== 'closed') return
    clearInterval(watch)
    port.close()
  }
}

/** The main thread did not end when it was told to: the process is ended under it, after the sockets. */
async function end(server: KernelServer): Promise<void> {
  await server.close()
  process.kill(process.pid, 'SIGKILL')
}

serve().catch((error: unknown) => {
  port.postMessage({ type: 'failed', message: error instanceof Error ? error.message : String(error) } satisfies ToMain)
  port.close()
})
