import { TfjsEngine } from '../../src/engines/tfjs/engine.js'
import { conformance } from './conformance.js'

conformance('tfjs:cpu', () => new TfjsEngine({ backend: 'cpu' }))
conformance('tfjs:wasm', () => new TfjsEngine({ backend: 'wasm' }))
