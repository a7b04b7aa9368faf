/** A kernel process with the fake evaluator: `fake-kernel.ts <connection file> <history file>`. */
import { readConnectionFile } from '../../kernel/protocol/connection.js'
import { Kernel } from '../../kernel/protocol/kernel.js'
import { kernelInfo } from '../../kernel/protocol/kernel-info.js'
import { FakeEvaluator } from './fake-evaluator.js'

const [connectionPath = '', historyPath = ''] = process.argv.slice(2)
const kernel = Kernel.start({
  connection: readConnectionFile(connectionPath),
  info: kernelInfo({ version: '0.0.0', typescriptVersion: '5.0.4' }),
  historyPath,
  parentPid: null,
})
await kernel.bound
kernel.attach(new FakeEvaluator(kernel))
await kernel.shutdownRequested
await kernel.close()
process.exit(0)
