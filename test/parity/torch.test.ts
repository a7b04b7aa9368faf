import { TorchEngine } from '../../src/engines/torch/engine.js'
import { pythonFault } from '../support/python.js'
import { describeParity } from './transformers.js'

// tiny models run line by line in PyTorch, as they do for users
describeParity({ name: 'torch:cpu', fault: pythonFault, start: () => new TorchEngine(), noiseFactor: 10 })
