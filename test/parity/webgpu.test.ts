import { SOFTWARE_DRIVER_VARIABLE, softwareDriver } from '../../src/engines/webgpu/adapter.js'
import { webGpuEngine } from '../../src/engines/webgpu/start.js'
import { describeParity } from './transformers.js'

describeParity({
  name: 'webgpu:swiftshader',
  fault: softwareDriver() === null ? `no SwiftShader: install chromium or set ${SOFTWARE_DRIVER_VARIABLE}` : null,
  start: () => webGpuEngine('webgpu:swiftshader'),
})
