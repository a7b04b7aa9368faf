/** Our programs in PyTorch against the same step written by hand, both through torch.compile: f32, and products in bf16. */
import { type CaseName, cases } from './cases.js'
import { benchPython } from './python.js'
import type { Measurement } from './results.js'
import { ours, peer, sideBySide } from './side-by-side.js'

interface Variant {
  shape: CaseName
  precision: 'f32' | 'bf16'
  /** Steps to warm up, and to time. */
  steps: readonly [number, number]
}

const variants: Readonly<Record<string, Variant>> = {
  f32: { shape: 'b', precision: 'f32', steps: [3, 8] },
  bf16: { shape: 'b', precision: 'bf16', steps: [3, 8] },
  // for a processor without instructions for bf16, which takes 20 s a step of (a) and minutes a step of (b)
  'bf16-small': { shape: 'a', precision: 'bf16', steps: [1, 3] },
  'bf16-once': { shape: 'b', precision: 'bf16', steps: [1, 1] },
}

export async function torchSuite({ rounds, only }: { rounds: number; only?: string }): Promise<Measurement[]> {
  // our engine finds its Python there
  process.env['LLAMA_PRO_PYTHON'] = benchPython()
  const results: Measurement[] = []
  for (const [name, { shape, precision, steps }] of Object.entries(variants)) {
    if (only !== undefined && only !== name) continue
    const times = ['--warmup', String(steps[0]), '--steps', String(steps[1])]
    const autocast = precision === 'bf16' ? ['--autocast'] : []
    const rivals = [
      ours('step-child.ts', [shape, '--device', 'torch:cpu', '--precision', precision, ...times]),
      peer('torch.compile', 'torch_step.py', [JSON.stringify(cases[shape]), '--compile', ...autocast, ...times]),
    ]
    results.push(...(await sideBySide(`torch ${shape} ${precision}`, rivals, { rounds })))
  }
  return results
}
