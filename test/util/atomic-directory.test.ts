import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { writeDirectoryAtomic } from '../../src/util/atomic-directory.js'
import { temporaryDirectory } from '../support/temporary.js'

const dir = temporaryDirectory('atomic-directory')
/** The number of a process that is gone. */
const gone = spawnSync(process.execPath, ['-e', '']).pid

function leave(path: string, text: string): void {
  mkdirSync(path, { recursive: true })
  writeFileSync(join(path, 'content'), text)
}

const fill = async (temporary: string) => writeFileSync(join(temporary, 'content'), 'new')
const contentOf = (path: string) => readFileSync(join(path, 'content'), 'utf8')

describe('what a killed process has left beside a directory', () => {
  it('is removed; what belongs to a living one, or to another directory, stays', async () => {
    const folder = join(dir, 'left')
    leave(join(folder, `.out.tmp-${gone}`), 'half')
    leave(join(folder, `.out.tmp-${process.ppid}`), 'under way')
    leave(join(folder, `.out.b.tmp-${gone}`), 'of another')
    await writeDirectoryAtomic(join(folder, 'out'), fill)
    expect(contentOf(join(folder, 'out'))).toBe('new')
    expect(readdirSync(folder).sort()).toEqual([`.out.b.tmp-${gone}`, `.out.tmp-${process.ppid}`, 'out'])
  })

  it('between the two renames: the old content comes back, and is overwritten only when that is allowed', async () => {
    const target = join(dir, 'between', 'out')
    const aside = join(dir, 'between', `.out.old-${gone}`)
    leave(aside, 'old')
    leave(join(dir, 'between', `.out.tmp-${gone}`), 'new, without its name')
    await expect(writeDirectoryAtomic(target, fill)).rejects.toMatchObject({ code: 'OUTPUT_EXISTS' })
    expect(contentOf(target)).toBe('old')
    await writeDirectoryAtomic(target, fill, { overwrite: true })
    expect(contentOf(target)).toBe('new')
    expect(readdirSync(join(dir, 'between'))).toEqual(['out'])
  })

  it('after both renames: the old content goes', async () => {
    const target = join(dir, 'after', 'out')
    leave(target, 'new')
    leave(join(dir, 'after', `.out.old-${gone}`), 'old')
    await writeDirectoryAtomic(target, fill, { overwrite: true })
    expect(readdirSync(join(dir, 'after'))).toEqual(['out'])
    expect(existsSync(join(target, 'content'))).toBe(true)
  })
})
