import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'

const { arePackagesInstalled } = (await import('../../repl/setup.mjs' as string)) as {
  arePackagesInstalled: (folder: string) => boolean
}

const dir = temporaryDirectory('cli-setup')

type Packages = Record<string, { version?: string; optional?: boolean }>

function checkout(name: string, wanted: Packages, installed: Packages | null): string {
  const folder = join(dir, name)
  mkdirSync(join(folder, 'node_modules'), { recursive: true })
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ packages: { '': {}, ...wanted } }))
  if (installed)
    writeFileSync(join(folder, 'node_modules', '.package-lock.json'), JSON.stringify({ packages: installed }))
  return folder
}

describe('arePackagesInstalled', () => {
  const zod = { 'node_modules/zod': { version: '1.0.0' } }

  test('all there', () => {
    expect(arePackagesInstalled(checkout('all', zod, zod))).toBe(true)
  })

  test('nothing there', () => {
    expect(arePackagesInstalled(checkout('none', zod, null))).toBe(false)
  })

  test('one missing, or of another version', () => {
    expect(arePackagesInstalled(checkout('missing', zod, {}))).toBe(false)
    expect(arePackagesInstalled(checkout('old', zod, { 'node_modules/zod': { version: '0.9.0' } }))).toBe(false)
  })

  test('a binary for another machine may be absent, but not be old', () => {
    const wanted = { 'node_modules/native': { version: '2.0.0', optional: true } }
    expect(arePackagesInstalled(checkout('optional', wanted, {}))).toBe(true)
    expect(arePackagesInstalled(checkout('stale', wanted, { 'node_modules/native': { version: '1.0.0' } }))).toBe(false)
  })
})
