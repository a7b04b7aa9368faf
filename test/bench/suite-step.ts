/** The training step against PyTorch eager, torch.compile and JAX. */
import { type CaseName, cases } from './cases.js'
import type { Measurement } from './results.js'
import { ours, peer, sideBySide } from './side-by-side.js'

export async function stepSuite({ rounds, only }: { rounds: number; only?: string }): Promise<Measurement[]> {
  const results: Measurement[] = []
  for (const name of Object.keys(cases) as CaseName[]) {
    if (only !== undefined && only !== name) continue
    const shape = JSON.stringify(cases[name])
    const rivals = [
      ours('step-child.ts', [name]),
      peer('torch eager', 'torch_step.py', [shape]),
      peer('torch.compile', 'torch_step.py', [shape, '--compile']),
      peer('jax jit', 'jax_step.py', [shape]),
    ]
    results.push(...(await sideBySide(`step ${name}`, rivals, { rounds })))
  }
  return results
}
