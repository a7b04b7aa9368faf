/** The Jupyter kernel: `node main.js <connection file>`, as the kernelspec starts it. */
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { packageVersion } from '../src/util/package.js'
import { cellDeclarations, cellGlobals } from './cell-globals.js'
import { type LabGlobals, labGlobals } from './lab-globals.js'
import { readConnectionFile } from './protocol/connection.js'
import { Kernel } from './protocol/kernel.js'
import { kernelInfo } from './protocol/kernel-info.js'
import { historyPath } from './state-path.js'

const require = createRequire(import.meta.url)
/** How long the last checkpoint of a run may take when the kernel has to end, in milliseconds; front ends wait five seconds. */
const disposeMs = 4000
/** How long nobody has asked for anything before the kernel prepares for what may come, in milliseconds. */
const idleMs = 400

/** Version of the TypeScript that cells are checked with: the compiler that tslab brings. */
function typescriptVersion(): string {
  const tslab = createRequire(require.resolve('tslab/package.json'))
  const file = tslab.resolve('@tslab/typescript-for-tslab/package.json')
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version
}

/** The process that started the kernel, when its end has to be the kernel's end too. */
function parentPid(): number | null {
  return process.env['JPY_PARENT_PID'] ? process.ppid : null
}

/** The evaluator is loaded while the sockets already answer: the compiler takes longer to start than they do. */
async function startEvaluator(kernel: Kernel, lab: LabGlobals) {
  const { Evaluator } = await import('./evaluator/evaluator.js')
  const evaluator = await Evaluator.start({
    cwd: process.cwd(),
    declarations: cellDeclarations,
    globals: cellGlobals(kernel),
    library: lab,
    onInterrupt: () => lab.interrupt(),
  })
  kernel.attach(evaluator)
  return evaluator
}

async function main(connectionPath: string): Promise<void> {
  const kernel = Kernel.start({
    connection: readConnectionFile(connectionPath),
    info: kernelInfo({ version: packageVersion(), typescriptVersion: typescriptVersion() }),
    historyPath: historyPath(),
    parentPid: parentPid(),
  })
  const lab = labGlobals((displayId, data) =>
    kernel.broadcast('update_display_data', { data, metadata: {}, transient: { display_id: displayId } }),
  )
  // a terminal that kernel and front end share sends Ctrl-C to both
  process.on('SIGINT', () => kernel.interrupt())
  try {
    // this thread loads the compiler while the other one opens the sockets
    const [evaluator] = await Promise.all([startEvaluator(kernel, lab), kernel.bound])
    void kernel.idle(idleMs).then(() => evaluator.warmUp())
    await kernel.shutdownRequested
    // front ends send it when half of the time that they wait has passed: the kernel is ending already
    process.on('SIGTERM', () => {})
    await Promise.race([evaluator.dispose().then(() => lab.dispose()), setTimeout(disposeMs)])
  } finally {
    await kernel.close()
  }
}

const [connectionPath] = process.argv.slice(2)
if (connectionPath === undefined) {
  process.stderr.write(`usage: node ${join('dist', 'kernel', 'main.js')} <connection file>\n`)
  process.exit(2)
}
main(connectionPath).then(
  () => process.exit(0),
  error => {
    process.stderr.write(`[llama-pro kernel] ${error instanceof Error ? (error.stack ?? error.message) : error}\n`)
    process.exit(1)
  },
)
