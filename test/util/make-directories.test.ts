import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { makeDirectories } from '../../src/util/make-directories.js'
import { temporaryDirectory } from '../support/temporary.js'

const dir = temporaryDirectory('make-directories')

test('makes what is missing and leaves what is there', () => {
  const path = join(dir, 'a', 'b', 'c')
  makeDirectories(path)
  makeDirectories(path)
  expect(statSync(path).isDirectory()).toBe(true)
})

test('a file in the way is named', () => {
  const file = join(dir, 'file')
  writeFileSync(file, '')
  for (const path of [file, join(file, 'below')])
    expect(() => makeDirectories(path)).toThrowError(`expected a directory at ${file}, found a file`)
})

test.skipIf(!existsSync('/proc/self'))('a folder that takes no entries is an error, not an endless loop', () => {
  expect(() => makeDirectories('/proc/llama-pro/run')).toThrowError(
    /cannot make the directory \/proc\/llama-pro: ENOENT/,
  )
})
