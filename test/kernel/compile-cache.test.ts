import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { compileCacheDirectory, requireCached } from '../../kernel/evaluator/compile-cache.js'
import { LibraryTexts } from '../../kernel/evaluator/library-texts.js'
import { temporaryDirectory } from '../support/temporary.js'

const dir = temporaryDirectory('compile-cache')
const require = createRequire(import.meta.url)

/** A module of its own for each test: they are remembered by their path. */
function writeModule(text: string): string {
  const file = join(mkdtempSync(join(dir, 'module-')), 'main.cjs')
  writeFileSync(file, text)
  return file
}
const forget = (file: string) => delete require.cache[file]

describe('a module with its compiled code on disk', () => {
  const text = 'exports.double = x => 2 * x; exports.path = __filename; exports.sep = require("node:path").sep'

  test('is what require gives, from the cache too, and saved only when the cache did not serve', () => {
    const file = writeModule(text)
    const cache = join(dir, 'one')
    const first = requireCached(file, cache)
    expect(first.exports).toMatchObject({ path: file, sep: '/' })
    expect(require(file)).toBe(first.exports)
    first.save()
    const [name = ''] = readdirSync(cache)
    const saved = readFileSync(join(cache, name))
    forget(file)
    const second = requireCached(file, cache)
    expect((second.exports as { double: (x: number) => number }).double(4)).toBe(8)
    writeFileSync(join(cache, name), 'untouched')
    second.save()
    expect(readFileSync(join(cache, name), 'utf8')).toBe('untouched')
    expect(saved.length).toBeGreaterThan(100)
  })

  test('damaged, cut and foreign caches are left aside and written anew', () => {
    const file = writeModule(text)
    const cache = join(dir, 'two')
    requireCached(file, cache).save()
    const path = join(cache, readdirSync(cache)[0]!)
    const good = readFileSync(path)
    const flipped = Buffer.from(good)
    flipped[good.length >> 1]! ^= 0xff
    for (const bad of [flipped, good.subarray(0, 40), Buffer.alloc(good.length), Buffer.alloc(0)]) {
      writeFileSync(path, bad)
      forget(file)
      const module = requireCached(file, cache)
      expect((module.exports as { double: (x: number) => number }).double(4)).toBe(8)
      module.save()
      expect(readFileSync(path).length).toBeGreaterThan(100)
      expect(readFileSync(path).equals(bad)).toBe(false)
    }
  })

  test('a module that throws is not remembered; a directory that cannot be written to is no error', () => {
    const file = writeModule('throw new Error("at load")')
    expect(() => requireCached(file, dir)).toThrow('at load')
    expect(require.cache[file]).toBeUndefined()
    const other = writeModule(text)
    expect(() => requireCached(other, join(other, 'below-a-file')).save()).not.toThrow()
    expect(compileCacheDirectory({ XDG_CACHE_HOME: '/c' })).toBe('/c/llama-pro-lab/compiled')
  })
})

describe('declarations without documentation', () => {
  const folder = join(require.resolve('@tslab/typescript-for-tslab', { paths: [require.resolve('tslab')] }), '..')
  const ts = require(join(folder, 'typescript.js')) as typeof import('@tslab/typescript-for-tslab')
  const nodeTypes = join(require.resolve('@types/node/package.json'), '..')
  const files = [folder, nodeTypes, join(nodeTypes, 'fs')].flatMap(from =>
    readdirSync(from)
      .filter(name => name.endsWith('.d.ts') && !/^(typescript|tsserver|protocol)/.test(name))
      .map(name => join(from, name)),
  )

  test('declare the same as with it', () => {
    const texts = new LibraryTexts(folder)
    const outline = (path: string, text: string) => {
      const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest)
      const { parseDiagnostics } = file as unknown as { parseDiagnostics: unknown[] }
      return [parseDiagnostics.length, file.statements.map(({ kind }) => kind)]
    }
    let [bare, whole] = [0, 0]
    for (const path of files) {
      const text = readFileSync(path, 'utf8')
      const read = texts.read(path, () => text)!
      bare += read.length
      whole += text.length
      if (/dom|webworker/.test(path)) continue
      expect(outline(path, read), path).toEqual(outline(path, text))
    }
    expect(bare).toBeLessThan(whole / 2)
  })

  test('tell who listens when they are whole, once; other files are never changed', () => {
    const texts = new LibraryTexts(folder)
    const path = join(folder, 'lib.es5.d.ts')
    const text = '/** Doc. */\ndeclare const x: 1\n'
    let changes = 0
    expect(texts.watch(path, () => changes++)).toBe(true)
    expect(texts.watch('/user/file.ts', () => changes++)).toBe(false)
    expect([texts.read(path, () => text), texts.read('/user/lib.es5.d.ts', () => text)]).toEqual([
      '\ndeclare const x: 1\n',
      text,
    ])
    expect([texts.addDocumentation(), texts.addDocumentation(), changes]).toEqual([true, false, 1])
    expect(texts.read(path, () => text)).toBe(text)
  })
})
