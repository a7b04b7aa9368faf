import { existsSync, readFileSync, symlinkSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SharedFiles } from '../../src/engines/torch/shared-files.js'

/** Whoever writes through this name is told that the device is full. */
function fill(directory: string, name: string): void {
  symlinkSync('/dev/full', join(directory, name))
}

describe.skipIf(!existsSync('/dev/full'))('files through which tensors cross', () => {
  let files: SharedFiles
  beforeEach(() => {
    files = new SharedFiles()
  })
  afterEach(() => {
    files.dispose()
    for (const directory of files.directories) expect(existsSync(directory)).toBe(false)
  })

  it('lie in the next place when the nearest is full', async () => {
    const bytes = Uint8Array.of(1, 2, 3)
    for (const directory of files.directories.slice(0, -1)) fill(directory, 'request-0')
    const { path } = await files.put(bytes)
    expect(dirname(path!)).toBe(files.directories.at(-1))
    expect([...readFileSync(path!)]).toEqual([1, 2, 3])
    for (const directory of files.directories.slice(0, -1)) expect(existsSync(join(directory, 'request-0'))).toBe(false)
  })

  it('say where there is no room when all places are full', async () => {
    for (const directory of files.directories) fill(directory, 'request-0')
    await expect(files.put(new Uint8Array(1500))).rejects.toMatchObject({
      code: 'ENGINE',
      message: expect.stringMatching(/^no room for 1\.50 kB in .*TMPDIR/),
    })
  })
})
