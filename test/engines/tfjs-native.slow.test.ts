/** The suite on TensorFlow's own library, where `test/engines/tfjs-native.sh` (or the user) has put it. */
import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { tfjsEngine } from '../../src/engines/tfjs/start.js'
import { createEngine } from '../../src/lab/engines.js'
import { repositoryRoot } from '../support/shared.js'
import { conformance } from './conformance.js'

const hasNative = Boolean(process.env['LLAMA_PRO_TFJS_NODE'])

describe.skipIf(!hasNative)('TensorFlow under tfjs', () => {
  conformance('tfjs:node', () => tfjsEngine('tfjs:node'), { afterFailedUpdate: 'unchanged' })

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

  it('works where Node has dropped the two functions that its backend calls', () => {
    const program = `
      import util from 'node:util'
      delete util.isArray
      delete util.isNullOrUndefined
      import { startTfjs } from './src/engines/tfjs/start.ts'
      import { fromHost } from './src/tensor/leaf.ts'
      import { sum } from './src/tensor/ops/reduce.ts'
      import { realize } from './src/tensor/program.ts'
      async function main() {
        const engine = await startTfjs('tfjs:node')
        const [total] = await realize([sum(fromHost(Float32Array.of(1, 2, 3), [3], 'f32'))], { engine })
        process.stdout.write(String(total[0]))
      }
      void main()
    `
    const node = ['--import', 'tsx', '--input-type=module', '--eval', program]
    const output = execFileSync(process.execPath, node, { encoding: 'utf8', cwd: repositoryRoot })
    expect(output).toBe('6')
  })
})
