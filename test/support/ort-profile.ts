/** What onnxruntime writes of a session that profiles. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export interface KernelRun {
  readonly op: string
  /** `WebGpuExecutionProvider`, `CPUExecutionProvider`. */
  readonly provider: string
  /** The node's place in the model. */
  readonly node: number
}

/** Every kernel that ran, by the profiles of a directory whose names begin with `prefix`. */
export function kernelsOf(dir: string, prefix = ''): KernelRun[] {
  type Event = { name: string; args: { op_name: string; provider: string; node_index: string } }
  const files = readdirSync(dir).filter(file => file.startsWith(prefix))
  const events = files.flatMap(file => JSON.parse(readFileSync(join(dir, file), 'utf8')) as Event[])
  return events
    .filter(({ name }) => name.endsWith('_kernel_time'))
    .map(({ args }) => ({ op: args.op_name, provider: args.provider, node: Number(args.node_index) }))
}
