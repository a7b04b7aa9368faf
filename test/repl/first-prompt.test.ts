import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** Values that a module takes from others when it is loaded; types are gone by then, `import()` comes later. */
const importing = /^(?:import|export)\s+(?!type\b)(?:[^'"]*?\sfrom\s+)?'([^']+)'/gm

/** Everything that is loaded with some modules: files by their paths, packages by their names. */
function loadedWith(...entries: string[]): string[] {
  const files = new Map<string, string[]>()
  const visit = (file: string): void => {
    if (files.has(file)) return
    const found = [...readFileSync(file, 'utf8').matchAll(importing)].map(match => match[1]!)
    files.set(file, found)
    for (const path of found) if (path.startsWith('.')) visit(join(dirname(file), path.replace(/\.js$/, '.ts')))
  }
  for (const entry of entries) visit(join(root, entry))
  const packages = [...files.values()].flat().filter(path => !path.startsWith('.') && !path.startsWith('node:'))
  return [...[...files.keys()].map(file => relative(root, file)), ...packages]
}

describe('before the first prompt', () => {
  it('neither the library nor any package is loaded', () => {
    const entries = [
      'repl/cli/main.ts',
      'repl/main.ts',
      'repl/terminal/terminal-repl.ts',
      'repl/terminal/history-file.ts',
    ]
    const loaded = loadedWith(...entries)
    expect(loaded).toContain('repl/editor/prompt.ts')
    expect(loaded.filter(name => !/^(repl|kernel)\//.test(name))).toEqual(['src/util/package.ts'])
  })
  it('is told of what would be', () => {
    expect(loadedWith('repl/session/repl-session.ts')).toContain('src/index.ts')
    expect(loadedWith('repl/cli/program.ts')).toContain('commander')
  })
})
