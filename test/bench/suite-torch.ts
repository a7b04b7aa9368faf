/** Our programs in PyTorch against the same step written by hand, both through torch.compile: f32, and products in bf16. */
import { cases } from './cases.js'
import { benchPython } from './python.js'
import type { Measurement } from './results.js'
import { ours, peer, sideBySide } from './side-by-side.js'

const precisions = { f32: [], bf16: ['--autocast'] }

export async function torchSuite({ rounds, only }: { rounds: number; only?: string }): Promise<Measurement[]> {
  const shape = JSON.stringify(cases.b)
  // our engine finds its Python there
  process.env['LLAMA_PRO_PYTHON'] = benchPython()
  const results: Measurement[] = []
  for (const [precision, flags] of Object.entries(precisions)) {
    if (only !== undefined && only !== precision) continue
    const rivals = [
      ours('step-child.ts', ['b', '--device', 'torch:cpu', '--precision', precision]),
      peer('torch.compile', 'torch_step.py', [shape, '--compile', ...flags]),
    ]
    results.push(...(await sideBySide(`torch b ${precision}`, rivals, { rounds })))
  }
  return results
}
