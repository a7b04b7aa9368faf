import { softwareFault } from '../../src/engines/webgpu/software.js'
import { webGpuEngine } from '../../src/engines/webgpu/start.js'
import { describeParity } from './transformers.js'

/** One half of the cases: a process has one device, and computes on one core. */
export function describeHalf(first: 0 | 1): void {
  describeParity({
    name: 'webgpu:swiftshader',
    fault: softwareFault('webgpu:swiftshader'),
    start: () => webGpuEngine('webgpu:swiftshader'),
    share: { first, of: 2 },
  })
}
