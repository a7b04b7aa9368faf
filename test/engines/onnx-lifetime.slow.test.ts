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

/** Prints megabytes: before any engine, the most that one has taken, and after it has been disposed, twice. */
const large = `
  import { readFileSync } from 'node:fs'
  import { OnnxEngine } from './src/engines/onnx/engine.js'
  import { add, exp, mul } from './src/tensor/ops/elementwise.js'
  import { sum } from './src/tensor/ops/reduce.js'
  import { realize } from './src/tensor/program.js'
  import { Variable } from './src/tensor/variable.js'

  const rss = () => Number(/VmRSS:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1024

  async function round() {
    const engine = new OnnxEngine({ threads: 2 })
    const { value } = new Variable([4096, 4096], 'f32', { kind: 'zeros' }, { engine })
    await realize([sum([1, 2, 3, 4].map(i => exp(add(value, i))).reduce((a, b) => mul(a, b)))], { engine })
    const high = rss()
    await engine.dispose()
    return [high, rss()]
  }
  async function main() {
    const before = rss()
    process.stdout.write(JSON.stringify([before, ...(await round()), ...(await round())]))
  }
  void main()
`

describe('the onnx engine', { timeout: 60_000 }, () => {
  it.skipIf(process.platform !== 'linux')('gives its memory back when it is disposed', () => {
    const node = ['--import', 'tsx', '--input-type=module', '--eval', large]
    const [before, ...rounds] = JSON.parse(execFileSync(process.execPath, node, { encoding: 'utf8' })) as number[]
    const [highs, lows] = [0, 1].map(k => rounds.filter((_, i) => i % 2 === k)) as [number[], number[]]
    // one tensor has 67 MB; several live at once
    expect(Math.min(...highs)).toBeGreaterThan(before! + 250)
    expect(Math.max(...lows)).toBeLessThan(before! + 100)
  })

  it('lives through garbage collections in its thread, and a second one can be started', () => {
    const output = execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', program], {
      encoding: 'utf8',
    })
    expect(JSON.parse(output)).toEqual([100, 100])
  })
})
