import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { repositoryRoot } from '../support/shared.js'
import { temporaryDirectory } from '../support/temporary.js'

test('the package is found in a folder with a space, a letter that URLs escape and a percent sign', async () => {
  const root = join(temporaryDirectory('package'), 'my lämä 100%')
  const folder = join(root, 'dist/src/util')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(root, 'package.json'), '{ "version": "7.8.9" }')
  copyFileSync(join(repositoryRoot, 'src/util/package.ts'), join(folder, 'package.ts'))
  const url = pathToFileURL(join(folder, 'package.ts')).href
  const copy = (await import(url)) as typeof import('../../src/util/package.js')
  expect(copy.packageRoot()).toBe(root)
  expect(copy.packageVersion()).toBe('7.8.9')
})
