import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { conformance } from './conformance.js'

conformance('onnx', () => new OnnxEngine())
