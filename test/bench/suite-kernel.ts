/** A notebook kernel against ipykernel: from its start to the first answers, and the round trip of a warm trivial cell. */
import { benchPython } from './python.js'
import type { Measurement } from './results.js'
import { ours, sideBySide } from './side-by-side.js'

const figures = {
  kernelInfoSeconds: 'start to kernel_info',
  firstCellSeconds: 'start to the reply of a first cell, 1 + 1',
  warmCellSeconds: 'round trip of a warm cell, 1 + n',
} as const

/** Each figure as a measurement of its own. */
export async function kernelSuite({ rounds }: { rounds: number }): Promise<Measurement[]> {
  const rivals = [
    ours('kernel-child.ts', ['ours', process.execPath]),
    ours('kernel-child.ts', ['ipykernel', benchPython()], 'ipykernel'),
  ]
  const measured = await sideBySide('kernel', rivals, { rounds })
  return Object.entries(figures).flatMap(([key, what]) =>
    measured.map(({ who, version, [key]: medianSeconds }) => ({ what, who, version, medianSeconds: medianSeconds! })),
  )
}
