/** Whether an engine computes on this machine. */
import type { Engine } from '../tensor/engine.js'
import { fromHost } from '../tensor/leaf.js'
import { matmul } from '../tensor/ops/matmul.js'
import { realize } from '../tensor/program.js'
import { messageOf } from '../util/errors.js'
import { forkModule } from '../util/worker.js'
import { createEngine, type EngineOptions } from './engines.js'

/** What the process that tries a device answers. */
export type Tried = { description: string } | { message: string }

/**
 * Multiplies two small matrices on a device and describes its engine. A device of webgpu is tried in a process of its own: a
 * process has one adapter for as long as it lives, and a driver that crashes takes nothing else along.
 * @param options `signal` ends that process
 * @throws Error when it does not compute, saying why
 */
export async function tryEngine(
  device: string,
  { signal, ...options }: EngineOptions & { signal?: AbortSignal } = {},
): Promise<string> {
  return device.startsWith('webgpu') ? tryApart(device, signal) : tryProduct(createEngine(device, options))
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

async function tryApart(device: string, signal?: AbortSignal): Promise<string> {
  const child = forkModule(new URL('./try-webgpu.js', import.meta.url), [device], {
    stdio: 'ignore',
    ...(signal && { signal }),
  })
  const tried = await new Promise<Tried>(resolve => {
    child.on('message', answer => {
      resolve(answer as Tried)
      child.disconnect()
    })
    child.on('error', error => resolve({ message: messageOf(error) }))
    child.on('exit', (code, killedBy) =>
      resolve({ message: `${device}: the process that tried it ended with ${killedBy ?? code}` }),
    )
  })
  if ('message' in tried) throw new Error(tried.message)
  return tried.description
}
