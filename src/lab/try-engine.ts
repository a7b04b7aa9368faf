/** Whether an engine computes on this machine. */
import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { environmentBefore, webGpuDevices } from '../engines/webgpu/adapter.js'
import type { Engine } from '../tensor/engine.js'
import { fromHost } from '../tensor/leaf.js'
import { matmul } from '../tensor/ops/matmul.js'
import { realize } from '../tensor/program.js'
import { messageOf } from '../util/errors.js'
import { forkModule } from '../util/worker.js'
import { createEngine, type EngineOptions } from './engines.js'

/** How long the process that tried a device may take to end when it has answered, in milliseconds. */
const endMs = 2000

/** What the process that tries a device answers. */
export type Tried = { description: string } | { message: string }

/**
 * Multiplies two small matrices on a device and describes its engine. A device of webgpu is tried in a process of its own: a
 * process has one adapter for as long as it lives, and a driver that crashes takes nothing else along.
 * @param options those of {@link createEngine}; `signal` ends that process
 * @throws Error when it does not compute, saying why
 */
export async function tryEngine(
  device: string,
  { signal, ...options }: EngineOptions & { signal?: AbortSignal } = {},
): Promise<string> {
  const isWebGpu = webGpuDevices.some(name => name === device)
  return isWebGpu ? tryApart(device, options, signal) : tryProduct(createEngine(device, options))
}

/** The description of the engine, which is disposed. @throws Error when a product comes out wrong */
export async function tryProduct(engine: Engine): Promise<string> {
  try {
    const matrix = fromHost(Float32Array.of(1, 2, 3, 4), [2, 2], 'f32')
    const [product] = await realize([matmul(matrix, matrix)], { engine })
    const found = [...product!].join(' ')
    if (found !== '7 10 15 22') throw new Error(`a product of two matrices came out as ${found}, not 7 10 15 22`)
    return engine.description
  } finally {
    await engine.dispose()
  }
}

async function tryApart(device: string, options: EngineOptions, signal?: AbortSignal): Promise<string> {
  const child = forkModule(new URL('./try-webgpu.js', import.meta.url), [device, JSON.stringify(options)], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    env: environmentBefore(),
    ...(signal && { signal }),
  })
  const tried = await answerOf(child, device)
  if ('message' in tried) throw new Error(tried.message)
  return tried.description
}

/** What the child answers before it ends; it has ended then. */
async function answerOf(child: ChildProcess, device: string): Promise<Tried> {
  let tried: Tried | null = null
  let said = ''
  child.stderr!.on('data', (text: Buffer) => (said = (said + text.toString()).slice(-2000)))
  const closed = new Promise(resolve => child.stderr!.once('close', resolve))
  const ended = new Promise<string>(resolve => {
    child.once('error', error => {
      tried ??= { message: messageOf(error) }
      if (child.pid === undefined) resolve('no start')
    })
    child.once('exit', (code, killedBy) => resolve(String(killedBy ?? code)))
  })
  child.once('message', async answer => {
    tried ??= answer as Tried
    child.disconnect()
    // a driver may not let its process go
    await Promise.race([ended, sleep(endMs, undefined, { ref: false })])
    child.kill('SIGKILL')
  })
  const end = await ended
  if (tried) return tried
  await closed
  return { message: withoutAnswer(device, end, said) }
}

function withoutAnswer(device: string, end: string, said: string): string {
  const last = said.trim().split('\n').slice(-3).join(' ')
  const advice = 'its driver may be broken: try a newer one, or another device'
  return `${device}: the process that tried it ended with ${end}; ${advice}${last && `. It said: ${last}`}`
}
