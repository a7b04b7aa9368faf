/**
 * Tokens a second of the data pipeline alone (read, unpack, shuffle, tokenise, pack), no model; one JSON line on stdout.
 * Usage: data-child.ts FILES [--seconds N]
 */
import { parseArgs } from 'node:util'
import { openRunData } from '../../src/lab/run-data.js'
import { parseRecipe } from '../../src/train/recipe.js'
import { Emitter } from '../../src/util/emitter.js'
import { packageRoot, packageVersion } from '../../src/util/package.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '8' } },
})
const base = `${packageRoot()}/datasets/demo/base`
const recipe = parseRecipe({
  model: base,
  method: 'full',
  data: {
    sources: [{ manifest: positionals[0]! }],
    seqLen: 256,
    windowDocs: 256,
    onBadShard: 'skip',
    onBadDocument: 'skip',
  },
  batch: { microBatch: 8 },
  steps: 1,
  seed: 1,
})
const data = await openRunData(recipe, base, { events: new Emitter() })
const loader = data.openLoader()
// the first batch waits for the first window
await loader.next()
const started = performance.now()
let tokens = 0
while (performance.now() - started < 1000 * Number(values.seconds)) tokens += (await loader.next()).targets.length
const tokensPerSecond = tokens / ((performance.now() - started) / 1000)
process.stdout.write(`${JSON.stringify({ version: packageVersion(), tokensPerSecond })}\n`)
await loader.dispose()
await data.dispose()
