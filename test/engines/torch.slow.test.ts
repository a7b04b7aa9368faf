import { TorchEngine } from '../../src/engines/torch/engine.js'
import { describeWithPython } from '../support/python.js'
import { conformance } from './conformance.js'

describeWithPython('PyTorch, line by line', () => {
  conformance('torch:cpu', () => new TorchEngine({ compile: 'never' }), { afterFailedUpdate: 'unchanged' })
})
