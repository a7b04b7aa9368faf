import { execFileSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'

/** One thread: with more, those of onnxruntime's own pool happen to keep the library in memory. */
const program = `
  import { OnnxEngine } from './src/engines/onnx/engine.js'
  import { fromHost } from './src/tensor/leaf.js'
  import { sum } from './src/tensor/ops/reduce.js'
  import { realize } from './src/tensor/program.js'
  import { Variable } from './src/tensor/variable.js'

  async function round() {
    const engine = new OnnxEngine({ threads: 1 })
    for (let i = 0; i < 60; i++) {
      const variable = new Variable([1 << 20], 'f32', { kind: 'zeros' }, { engine })
      await variable.read()
      variable.dispose()
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    const [total] = await realize([sum(fromHost(new Float32Array(100).fill(1), [100], 'f32'))], { engine })
    await engine.dispose()
    return total[0]
  }
  async function main() {
    process.stdout.write(JSON.stringify([await round(), await round()]))
  }
  void main()
`

describe('the onnx engine', () => {
  it('lives through garbage collections in its thread, and a second one can be started', () => {
    const output = execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
      encoding: 'utf8',
    })
    expect(JSON.parse(output)).toEqual([100, 100])
  })
})
