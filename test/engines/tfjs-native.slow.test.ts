/** The suite on TensorFlow's own library, where `test/interop/build-tfjs-native.sh` (or the user) has put it. */
import { describe, expect, it } from 'vitest'
import { tfjsEngine } from '../../src/engines/tfjs/start.js'
import { createEngine } from '../../src/lab/engines.js'
import { conformance } from './conformance.js'

const hasNative = Boolean(process.env['LLAMA_PRO_TFJS_NODE'])

describe.skipIf(!hasNative)('TensorFlow under tfjs', () => {
  conformance('tfjs:node', () => tfjsEngine('tfjs:node'))

  it('says which library computes, and where', async () => {
    const engine = createEngine('tfjs:node')
    await engine.memory()
    expect(engine.description).toMatch(/^tfjs 4\.22\.0 on tensorflow \(TensorFlow \d+\.\d+\.\d+, (CPU|GPU)\), f32$/)
    if (engine.description.includes('CPU')) {
      const gpu = createEngine('tfjs-gpu')
      await expect(gpu.memory()).rejects.toThrow(/finds no GPU that it can use.*CUDA 11\.2/)
    }
    await engine.dispose()
  })
})
