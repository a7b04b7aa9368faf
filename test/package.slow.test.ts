import { spawnSync } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { repositoryRoot } from './support/shared.js'
import { temporaryDirectory } from './support/temporary.js'

const dir = temporaryDirectory('package')
const { build } = (await import('../repl/setup.mjs' as string)) as { build: () => void }

beforeAll(() => build())

describe('npm pack', () => {
  const npm = (...args: string[]) =>
    spawnSync('npm', args, { cwd: repositoryRoot, encoding: 'utf8', shell: process.platform === 'win32' })

  test('holds the build and the demo, no tests and no sources of the library', () => {
    const { stdout } = npm('pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=silent')
    const [{ files, size }] = JSON.parse(stdout) as [{ files: { path: string }[]; size: number }]
    const paths = files.map(({ path }) => path)
    for (const needed of [
      'dist/src/index.js',
      'dist/src/index.d.ts',
      'dist/repl/cli/main.js',
      'dist/src/engines/onnx/worker.js',
      'datasets/recipes/demo.yaml',
      'datasets/demo/general.yaml',
      'datasets/demo/base/tokenizer.json',
      'LICENSE',
    ])
      expect(paths).toContain(needed)
    expect(paths.filter(path => /(^|\/)(test|runs|node_modules|src)\//.test(path.replace(/^dist\/src\//, '')))).toEqual(
      [],
    )
    expect(size).toBeLessThan(20e6)
  })
})

describe('an installed package', () => {
  test('require() and import give the same library', () => {
    mkdirSync(join(dir, 'node_modules'))
    symlinkSync(repositoryRoot, join(dir, 'node_modules', 'llama-pro-lab'), 'junction')
    const script = join(dir, 'use.cjs')
    writeFileSync(
      script,
      `const lab = require('llama-pro-lab')
       import('llama-pro-lab').then(async imported => {
         if (imported.planExpansion !== lab.planExpansion) throw new Error('two copies')
         const engine = lab.createEngine('reference')
         const [sum] = await lab.realize([lab.tensor([1, 2]).sum()], { engine })
         console.log(sum[0], lab.planExpansion({ numHiddenLayers: 32 }, { groups: 8 }).numHiddenLayers)
       })`,
    )
    const { stdout, stderr } = spawnSync(process.execPath, [script], { encoding: 'utf8' })
    expect(stderr.replace(/.*ExperimentalWarning.*\n.*\n?/, '')).toBe('')
    expect(stdout).toBe('3 40\n')
  })
})
