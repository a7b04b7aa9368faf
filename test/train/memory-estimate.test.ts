import { freemem } from 'node:os'
import { describe, expect, it } from 'vitest'
import { checkMemory, loadedMemory, type MemoryEstimate, memoryText, roomFor } from '../../src/train/memory-estimate.js'

const counts = { variableBytes: 30e9, variables: 1, programs: 0 }
const estimate: MemoryEstimate = {
  weightBytes: 30e9,
  optimizerBytes: 40e9,
  activationBytes: 20e9,
  otherBytes: 1e9,
  totalBytes: 91e9,
}

const able = { nativeOps: new Set(['dequantize']) }

describe('the room for a run', () => {
  it('that is too small is told with what the engine can do about it', () => {
    const room = { availableBytes: 1e9, where: 'here' }
    expect(() => checkMemory(estimate, room, able)).toThrow(/remat: always, frozenWeights: source or int4, train/)
    const unable = { widensHalf: true, nativeOps: new Set<string>() }
    expect(() => checkMemory(estimate, room, unable)).toThrow(/remat: always, train fewer/)
  })

  it('is that of the device, not of this machine, and is told with its name', () => {
    const elsewhere = { name: 'NVIDIA H200', residentBytes: 31e9, freeBytes: 109e9 }
    const room = roomFor(loadedMemory({ ...counts, elsewhere }, 2e9))
    expect(room).toEqual({ availableBytes: 140e9, where: 'on NVIDIA H200' })
    checkMemory(estimate, room, able)
    expect(memoryText(estimate, room)).toMatch(/there is on NVIDIA H200 +140 GB/)
    const small = roomFor(loadedMemory({ ...counts, elsewhere: { ...elsewhere, freeBytes: 5e9 } }, 2e9))
    expect(() => checkMemory(estimate, small, able)).toThrow(
      expect.objectContaining({
        code: 'MEMORY',
        message: expect.stringContaining('there are 36.0 GB on NVIDIA H200'),
      }),
    )
  })

  it("is this machine's for an engine in a process of its own, where both processes count as held", () => {
    const loaded = loadedMemory({ ...counts, elsewhere: { name: "PyTorch's", residentBytes: 31e9 } }, 2e9)
    expect(loaded).toMatchObject({ residentBytes: 33e9, where: "for this process and PyTorch's" })
    expect(loaded.freeBytes).toBeNull()
  })

  it('is what this process and the machine have for an engine in this process', () => {
    const loaded = loadedMemory({ ...counts, mappedBytes: 7 }, 2e9)
    expect(loaded).toEqual({ residentBytes: 2e9, mappedBytes: 7, freeBytes: null, where: 'for this process' })
    expect(roomFor(loaded).availableBytes).toBeLessThan(2e9 + freemem() + 1e9)
  })
})
