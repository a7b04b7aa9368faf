import { join } from 'node:path'
import { LabError } from '../../util/errors.js'

/**
 * The Python that runs PyTorch: `LLAMA_PRO_PYTHON`, else that of the active virtual or conda environment, else `python3`
 * (`python` on Windows) of the PATH.
 */
export function findPython(
  env: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  const isWindows = platform === 'win32'
  if (env['LLAMA_PRO_PYTHON']) return env['LLAMA_PRO_PYTHON']
  if (env['VIRTUAL_ENV']) return join(env['VIRTUAL_ENV'], isWindows ? 'Scripts/python.exe' : 'bin/python')
  if (env['CONDA_PREFIX']) return join(env['CONDA_PREFIX'], isWindows ? 'python.exe' : 'bin/python')
  return isWindows ? 'python' : 'python3'
}

/** The error of a Python without PyTorch, with what to type. */
export function torchMissing(python: string, reason: string): LabError {
  return new LabError(
    'TORCH_MISSING',
    `${reason}. To install PyTorch there: "${python}" -m pip install "torch>=2.4". To use another Python, set LLAMA_PRO_PYTHON to its path.`,
  )
}

/** The error of a Python that cannot be started. */
export function pythonMissing(python: string, reason: string): LabError {
  return new LabError(
    'PYTHON_MISSING',
    `cannot start ${python} (${reason}). The torch devices need Python 3.9 or newer with PyTorch: python3 -m venv .venv && .venv/bin/python -m pip install "torch>=2.4", then set LLAMA_PRO_PYTHON to .venv/bin/python.`,
  )
}
