import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { repositoryRoot } from '../support/shared.js'
import { temporaryDirectory } from '../support/temporary.js'

const python = process.env['LLAMA_PRO_TEST_PYTHON'] ?? 'python3'
const isAvailable = spawnSync(python, ['-c', 'import nbclient']).status === 0
const folder = join(repositoryRoot, 'notebooks')
const names = readdirSync(folder).filter(name => name.endsWith('.ipynb'))

interface Output {
  output_type: string
  data?: Record<string, unknown>
}
interface Notebook {
  cells: { cell_type: string; source: string | string[]; outputs?: Output[] }[]
  metadata: { kernelspec: { name: string } }
}

const read = (name: string) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Notebook

describe('saved notebooks', () => {
  test('there are some', () => {
    expect(names).toContain('00-first-steps.ipynb')
  })

  test.each(names)('%s tells its story without a kernel', name => {
    const notebook = read(name)
    expect(notebook.metadata.kernelspec.name).toBe('llama-pro')
    const outputs = notebook.cells.flatMap(cell => cell.outputs ?? [])
    expect(outputs.filter(output => output.output_type === 'error')).toEqual([])
    // at least one picture that needs no script
    expect(outputs.some(({ data }) => data !== undefined && 'image/svg+xml' in data)).toBe(true)
    const text = readFileSync(join(folder, name), 'utf8')
    expect(text.length).toBeLessThan(2e6)
    expect(text).not.toMatch(/token=|ws:\/\/127\.0\.0\.1:\d+\/[^"]*[0-9a-f]{16}/)
    expect(text).not.toMatch(/"[^"]*(\/home\/|\/Users\/|\/root\/)[^"]*"/)
  })
})

describe.skipIf(!isAvailable)('nbclient executes', () => {
  const dir = temporaryDirectory('notebooks')
  const specs = join(dir, 'kernels', 'llama-pro')
  const main = fileURLToPath(new URL('../../kernel/main.ts', import.meta.url))
  mkdirSync(specs, { recursive: true })
  const argv = [process.execPath, '--import', import.meta.resolve('tsx'), main, '{connection_file}']
  writeFileSync(
    join(specs, 'kernel.json'),
    JSON.stringify({ argv, display_name: 'test', language: 'typescript', interrupt_mode: 'message' }),
  )

  test.each(names)('%s', name => {
    const script = fileURLToPath(new URL('execute.py', import.meta.url))
    const { stdout, stderr } = spawnSync(python, [script, join(folder, name)], {
      cwd: dir,
      env: { ...process.env, JUPYTER_PATH: dir, LLAMA_PRO_HISTORY: join(dir, 'history.jsonl') },
      encoding: 'utf8',
      timeout: 600_000,
    })
    const result = JSON.parse(stdout || JSON.stringify({ error: stderr })) as { error: string | null; outputs: number }
    expect(result.error).toBeNull()
    expect(result.outputs).toBeGreaterThan(0)
  })
})
