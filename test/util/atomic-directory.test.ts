import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { writeDirectoryAtomic } from '../../src/util/atomic-directory.js'
import { clearLeftovers } from '../../src/util/leftovers.js'
import { temporaryDirectory } from '../support/temporary.js'

const dir = temporaryDirectory('atomic-directory')
/** The number of a process that is gone. */
const gone = spawnSync(process.execPath, ['-e', '']).pid
const host = hostname().replace(/[^\w.-]/g, '_')

function leave(path: string, text: string): void {
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'content'), text)
}

const fill = async (temporary: string) => writeFileSync(join(temporary, 'content'), 'new')
const contentOf = (path: string) => readFileSync(join(path, 'content'), 'utf8')

describe('what a killed process has left beside a directory', () => {
  it('is removed; what belongs to a living one, or to another directory, stays', async () => {
    const folder = join(dir, 'left')
    leave(join(folder, `.out.tmp-${gone}-${host}`), 'half')
    leave(join(folder, `.out.tmp-${process.ppid}-${host}`), 'under way')
    leave(join(folder, `.out.b.tmp-${gone}-${host}`), 'of another')
    await writeDirectoryAtomic(join(folder, 'out'), fill)
    expect(contentOf(join(folder, 'out'))).toBe('new')
    expect(readdirSync(folder).sort()).toEqual([
      `.out.b.tmp-${gone}-${host}`,
      `.out.tmp-${process.ppid}-${host}`,
      'out',
    ])
  })

  it('between the two renames: the old content comes back, and is overwritten only when that is allowed', async () => {
    const target = join(dir, 'between', 'out')
    const aside = join(dir, 'between', `.out.old-${gone}-${host}`)
    leave(aside, 'old')
    leave(join(dir, 'between', `.out.tmp-${gone}-${host}`), 'new, without its name')
    await expect(writeDirectoryAtomic(target, fill)).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' })
    expect(contentOf(target)).toBe('old')
    await writeDirectoryAtomic(target, fill, { overwrite: true })
    expect(contentOf(target)).toBe('new')
    expect(readdirSync(join(dir, 'between'))).toEqual(['out'])
  })

  it('after both renames: the old content goes', async () => {
    const target = join(dir, 'after', 'out')
    leave(target, 'new')
    leave(join(dir, 'after', `.out.old-${gone}-${host}`), 'old')
    await writeDirectoryAtomic(target, fill, { overwrite: true })
    expect(readdirSync(join(dir, 'after'))).toEqual(['out'])
    expect(existsSync(join(target, 'content'))).toBe(true)
  })

  it('of a whole folder: what waits for a successor that never came is put back, the rest goes', () => {
    const folder = join(dir, 'whole')
    leave(join(folder, `.step-6.old-${gone}-${host}`), 'old')
    leave(join(folder, `.step-6.tmp-${gone}-${host}`), 'new')
    writeFileSync(join(folder, `run.json.tmp-${gone}-${host}`), '')
    clearLeftovers(folder)
    expect(readdirSync(folder)).toEqual(['step-6'])
    expect(contentOf(join(folder, 'step-6'))).toBe('old')
  })

  it('on another host, whose processes cannot be seen, is spared for a day', () => {
    const folder = join(dir, 'shared')
    const names = [`.out.tmp-${gone}`, `.out.tmp-${gone}-elsewhere`]
    for (const name of names) leave(join(folder, name), 'under way')
    clearLeftovers(folder, { nowMs: Date.now() + 23 * 3_600_000 })
    expect(readdirSync(folder).sort()).toEqual(names)
    clearLeftovers(folder, { nowMs: Date.now() + 25 * 3_600_000 })
    expect(readdirSync(folder)).toEqual([])
  })
})
