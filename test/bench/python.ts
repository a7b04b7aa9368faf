/** The Python of the peers: one of the user's by LLAMA_PRO_BENCH_PYTHON, else an environment of the benchmark's own. */
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../support/shared.js'

const packages = [
  'torch==2.15.0',
  'transformers==5.23.0',
  'jax==0.10.2',
  'numpy==2.4.6',
  'ipykernel==7.4.0',
  'ipython==9.18.1',
]
const folder = join(repositoryRoot, '.venv-bench')

let found: string | null = null

/** Path of a Python that has every peer; made on first use. */
export function benchPython(): string {
  found ??= process.env['LLAMA_PRO_BENCH_PYTHON'] ?? ownPython()
  return found
}

/** Whether a module can be imported there. */
export function hasModule(name: string): boolean {
  return spawnSync(benchPython(), ['-c', `import ${name}`]).status === 0
}

function ownPython(): string {
  const python = join(folder, 'bin', 'python')
  if (!existsSync(python)) {
    process.stderr.write(`setting up ${folder} with ${packages.join(', ')}\n`)
    execFileSync('python3', ['-m', 'venv', folder], { stdio: 'inherit' })
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', ...packages], { stdio: 'inherit' })
  }
  return python
}
