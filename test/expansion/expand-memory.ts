import { readModelConfig } from '../../src/checkpoint/checkpoint.js'
import { expandCheckpoint } from '../../src/expansion/expand-checkpoint.js'
import { planExpansion } from '../../src/expansion/plan.js'

/** Run in a process of its own: expands argv[2] into argv[3] and prints the peak resident memory in bytes. */
async function main(): Promise<void> {
  const [inDir, outDir] = process.argv.slice(2) as [string, string]
  const config = await readModelConfig(inDir)
  await expandCheckpoint(inDir, outDir, planExpansion(config, { groups: 4 }), { maxShardBytes: 1e9 })
  process.stdout.write(String(process.resourceUsage().maxRSS * 1024))
}

void main()
