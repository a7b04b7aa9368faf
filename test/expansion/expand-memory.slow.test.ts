import { execFileSync } from 'node:child_process'
import { statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openCheckpoint } from '../../src/checkpoint/checkpoint.js'
import { sameBytes } from '../../src/checkpoint/read.js'
import { saveModel } from '../../src/checkpoint/save.js'
import { parseModelConfig } from '../../src/model/config.js'
import { elementCount, parameterCount, parameterShapes } from '../../src/model/parameters.js'
import { tinyJson } from '../support/configs.js'
import { temporaryDirectory } from '../support/temporary.js'

const { bavail, bsize } = statfsSync(tmpdir())
const hasSpace = bavail * bsize > 12e9

describe.skipIf(!hasSpace)('expanding a checkpoint of 2 GB (needs 12 GB of free disk)', () => {
  const dir = temporaryDirectory('memory')

  it('takes less than 600 MB of memory', async () => {
    const config = parseModelConfig(
      tinyJson({
        hidden_size: 2048,
        intermediate_size: 5632,
        num_attention_heads: 16,
        num_key_value_heads: 16,
        num_hidden_layers: 8,
        vocab_size: 32000,
      }),
    )
    expect(parameterCount(config) * 4).toBeGreaterThan(2e9)
    // every tensor starts with its own name, so that a mix-up would show
    const data = (name: string, bytes: number) => () => {
      const content = Buffer.alloc(bytes)
      content.write(name)
      return content
    }
    const tensors = [...parameterShapes(config)].map(([name, shape]) => ({
      name,
      dtype: 'F32' as const,
      shape,
      data: data(name, 4 * elementCount(shape)),
    }))
    await saveModel(join(dir, 'base'), { config, tensors, maxShardBytes: 1e9 })
    const script = fileURLToPath(new URL('./expand-memory.ts', import.meta.url))
    const output = execFileSync(process.execPath, ['--import', 'tsx', script, join(dir, 'base'), join(dir, 'out')], {
      encoding: 'utf8',
    })
    expect(Number(output)).toBeGreaterThan(0)
    expect(Number(output)).toBeLessThan(600e6)
    const [base, out] = [await openCheckpoint(join(dir, 'base')), await openCheckpoint(join(dir, 'out'))]
    expect(out.config.numHiddenLayers).toBe(12)
    const q = (n: number) => `model.layers.${n}.self_attn.q_proj.weight`
    expect(await sameBytes(base.tensors.get(q(7))!, out.tensors.get(q(11))!)).toBe(true)
    expect(await sameBytes(base.tensors.get(q(6))!, out.tensors.get(q(11))!)).toBe(false)
  })
})
