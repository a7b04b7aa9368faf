import type { WorkingBytes } from '../../tensor/engine.js'
import type { ProgramSpec } from '../../tensor/lower.js'
import { inPlaceUpdates } from '../in-place.js'
import { spareVariableBytes } from '../memory.js'
import { arenaBytes, NODE_BYTES } from '../onnx/working-bytes.js'
import { type DevicePrecision, emitDeviceModel, isRenaming } from './emit.js'

/** The programs' buffers by the rules of onnxruntime's planner, which are the same for every provider. */
export function deviceWorkingBytes(programs: readonly ProgramSpec[], precision: DevicePrecision = 'f32'): WorkingBytes {
  const graphs = programs.map(
    spec => emitDeviceModel(spec, { inPlace: inPlaceUpdates(spec, isRenaming), precision }).graph,
  )
  return {
    intermediate: arenaBytes(graphs),
    spare: programs.reduce((n, spec) => n + spareVariableBytes(spec, isRenaming), 0),
    programs: NODE_BYTES * graphs.reduce((n, { nodes }) => n + nodes.length, 0),
  }
}
