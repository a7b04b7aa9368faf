import type { WorkingBytes } from '../../tensor/engine.js'
import type { ProgramSpec } from '../../tensor/lower.js'
import { spareVariableBytes } from '../memory.js'
import { ArenaModel } from './arena.js'
import { type BufferStep, bufferSteps } from './buffers.js'
import { emitModel } from './emit.js'
import type { OnnxGraph } from './graph.js'
import { widenAtUse } from './widen.js'

/** What onnxruntime and this side keep for each node of a loaded program (measured: 18 kB over graphs of 650 to 2,600 nodes). */
export const NODE_BYTES = 18_000

/** How often the programs take turns until the arena has found its size. */
const ROUNDS = 2

/** Plays the programs' buffers through a model of the arena that all of them share. */
export function onnxWorkingBytes(programs: readonly ProgramSpec[]): WorkingBytes {
  const graphs = programs.map(spec => emitModel(widenAtUse(spec)).graph)
  return {
    intermediate: arenaBytes(graphs),
    spare: programs.reduce((n, spec) => n + spareVariableBytes(spec), 0),
    programs: NODE_BYTES * graphs.reduce((n, { nodes }) => n + nodes.length, 0),
  }
}

/** What an arena grows to that these graphs share, run in this order again and again. */
export function arenaBytes(graphs: readonly OnnxGraph[]): number {
  const arena = new ArenaModel()
  const plans = graphs.map(bufferSteps)
  for (let round = 0; round < ROUNDS; round++) for (const steps of plans) play(steps, arena)
  return arena.totalBytes
}

function play(steps: readonly BufferStep[], arena: ArenaModel): void {
  for (const { take, scratchBytes, free } of steps) {
    for (const { buffer, bytes } of take) arena.take(buffer, bytes)
    for (const [i, bytes] of scratchBytes.entries()) arena.take(~i, bytes)
    for (const i of scratchBytes.keys()) arena.give(~i)
    for (const buffer of free) arena.give(buffer)
  }
}
