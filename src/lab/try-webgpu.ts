/** The process that tries a device of webgpu; its arguments are the device's name and the engine's options. */
import { messageOf } from '../util/errors.js'
import { createEngine, type EngineOptions } from './engines.js'
import { type Tried, tryProduct } from './try-engine.js'

async function answer(): Promise<Tried> {
  try {
    const [device, options] = process.argv.slice(2) as [string, string]
    return { description: await tryProduct(createEngine(device, JSON.parse(options) as EngineOptions)) }
  } catch (error) {
    return { message: messageOf(error) }
  }
}

// it ends with the one who asked, also while modules were loaded
process.once('disconnect', () => process.exit())
if (!process.connected) process.exit()
process.send!(await answer())
