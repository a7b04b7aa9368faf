import type { LabEvents } from '../../src/index.js'

/** `downloading hf://owner/name 45 %`. */
export function progressText({ label, done, total }: LabEvents['progress']): string {
  return total > 0 ? `${label} ${Math.floor((100 * done) / total)} %` : label
}
