import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { describeParity } from './transformers.js'

describeParity({ name: 'onnx', fault: null, start: () => new OnnxEngine() })
