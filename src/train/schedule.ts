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
  const warmup = Math.ceil(warmupRatio * steps)
  if (step < warmup) return (step + 1) / warmup
  if (kind === 'constant') return 1
  const progress = (step - warmup) / Math.max(1, steps - 1 - warmup)
  return minLrRatio + (1 - minLrRatio) * 0.5 * (1 + Math.cos(Math.PI * Math.min(1, progress)))
}
