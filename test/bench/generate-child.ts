/**
 * Our greedy generation of a case; one JSON line on stdout.
 * Usage: generate-child.ts CASE [--new N] [--prompt N] [--threads N]
 */
import { parseArgs } from 'node:util'
import { generate } from '../../src/model/generate.js'
import { keyOf, Prng } from '../../src/util/prng.js'
import { type CaseName, cases } from './cases.js'
import { modelOf } from './model.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    new: { type: 'string', default: '128' },
    prompt: { type: 'string', default: '32' },
    threads: { type: 'string', default: '2' },
    device: { type: 'string', default: 'cpu' },
  },
})

const shape = cases[positionals[0] as CaseName]
const model = modelOf(shape, { device: values.device, threads: Number(values.threads) })
const random = new Prng(keyOf('bench'))
const prompt = Int32Array.from({ length: Number(values.prompt) }, () => random.below(shape.vocabSize))

async function run(maxNewTokens: number): Promise<number> {
  const started = performance.now()
  let count = 0
  for await (const id of generate(model, prompt, { maxNewTokens, stopIds: [] })) count += id >= 0 ? 1 : 0
  return count / ((performance.now() - started) / 1000)
}

// the programs depend on the size of the cache: the warm-up has to be as long
await run(Number(values.new))
const tokensPerSecond = await run(Number(values.new))
process.stdout.write(`${JSON.stringify({ version: model.engine.description, tokensPerSecond })}\n`)
await model.engine.dispose()
