import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe } from 'vitest'
import { repositoryRoot } from './shared.js'

/** The Python of the comparisons with transformers. */
export const pythonCommand = process.env['LLAMA_PRO_PYTHON'] ?? 'python3'

/** torch.compile builds its kernels with a C++ compiler, which a bare machine may lack. */
export const hasCompiler = spawnSync(process.env['CXX'] ?? 'g++', ['--version']).status === 0

/** Packages that the comparisons import. */
const packages = ['torch', 'transformers', 'safetensors', 'numpy']

/** Prints the packages that are not installed, found without importing them: torch alone would take seconds. */
const probe = `
import importlib.util, sys
print(", ".join(name for name in sys.argv[1:] if importlib.util.find_spec(name) is None))`

function findFault(also: readonly string[] = []): string | null {
  const { status, stdout, stderr, error } = spawnSync(pythonCommand, ['-c', probe, ...packages, ...also], {
    encoding: 'utf8',
  })
  if (error || status !== 0) return `${pythonCommand} cannot be run: ${error?.message ?? stderr.trim()}`
  const missing = stdout.trim()
  return missing === '' ? null : `${pythonCommand} has no ${missing}`
}

/** Why the Python packages cannot be used; null when they can. */
export const pythonFault = findFault()

/**
 * A suite that needs the Python packages, and those that `also` names. Where they are missing it is skipped, and says why
 * and what would help.
 */
export function describeWithPython(
  title: string,
  body: () => void,
  { also = [] }: { also?: readonly string[] } = {},
): void {
  const fault = also.length === 0 ? pythonFault : findFault(also)
  if (fault !== null)
    console.log(
      `Skipped: ${title}. ${fault}; set LLAMA_PRO_PYTHON to a Python with the packages of test/interop/requirements.txt`,
    )
  describe.skipIf(fault !== null)(title, body)
}

/** Nothing is fetched, and the CPU is what is compared. */
const environment = {
  HF_HUB_OFFLINE: '1',
  TOKENIZERS_PARALLELISM: 'false',
  CUDA_VISIBLE_DEVICES: '',
}

/** Hands `request` as JSON to a script of test/interop and resolves to its JSON answer. Rejects with what it wrote to stderr. */
export function runPython<Answer>(script: string, request: unknown): Promise<Answer> {
  const child = spawn(pythonCommand, [join(repositoryRoot, 'test/interop', script)], {
    env: { ...process.env, ...environment },
  })
  const output: Buffer[] = []
  const errors: Buffer[] = []
  child.stdout.on('data', (bytes: Buffer) => output.push(bytes))
  child.stderr.on('data', (bytes: Buffer) => errors.push(bytes))
  const text = (pieces: Buffer[]) => Buffer.concat(pieces).toString('utf8')
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    // a script that dies early closes its input; its exit code and stderr say why
    child.stdin.on('error', () => undefined)
    child.on('close', (code, signal) => {
      if (code === 0) resolve(JSON.parse(text(output)) as Answer)
      else reject(new Error(`${script} ended with ${signal ?? `exit code ${code}`}:\n${text(errors)}`))
    })
    child.stdin.end(JSON.stringify(request))
  })
}
