/** The process that tries a device of webgpu, which its argument names. */
import type { WebGpuDevice } from '../engines/webgpu/adapter.js'
import { webGpuEngine } from '../engines/webgpu/start.js'
import { messageOf } from '../util/errors.js'
import { type Tried, tryProduct } from './try-engine.js'

async function answer(): Promise<Tried> {
  try {
    return { description: await tryProduct(webGpuEngine(process.argv[2] as WebGpuDevice)) }
  } catch (error) {
    return { message: messageOf(error) }
  }
}

process.once('disconnect', () => process.exit())
process.send!(await answer())
