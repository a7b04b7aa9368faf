/** How the learning rate goes: linear warm-up, then constant or a cosine down to a floor. */
export interface ScheduleConfig {
  kind: 'cosine' | 'constant'
  /** Share of all steps with a rising rate. */
  warmupRatio: number
  /** Rate at the end as a share of the peak (cosine only). */
  minLrRatio: number
}

/**
 * Factor on the peak learning rate for optimizer step `step` (0 = the first) of `steps`. Warm-up rises by equal parts and
 * reaches 1 at its last step; the cosine then falls from 1 to `minLrRatio` at the last step.
 */
export function lrFactor({ kind, warmupRatio, minLrRatio }: ScheduleConfig, step: number, steps: number): number {
  // a hair less, so that a product like 0.07 * 100 = 7.000000000000001 does not count as 8
  const warmup = Math.ceil(warmupRatio * steps - 1e-9)
  if (step < warmup) return (step + 1) / warmup
  if (kind === 'constant') return 1
  const progress = (step - warmup) / Math.max(1, steps - 1 - warmup)
  return minLrRatio + (1 - minLrRatio) * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, progress)))
}
