/** The kernel as people get it: made known to Jupyter by the command, from a checkout and from the packed package. */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { repositoryRoot } from '../support/shared.js'
import { temporaryDirectory } from '../support/temporary.js'

const named = process.env['LLAMA_PRO_TEST_PYTHON']
const python = named ?? 'python3'
// where a Python is named, a package that it lacks is a failure
const hasClient = named !== undefined || spawnSync(python, ['-c', 'import jupyter_client']).status === 0
// a space and a letter that URLs escape, as people's folders have them
const dir = join(temporaryDirectory('installed'), 'my lämä')
const elsewhere = join(dir, 'elsewhere')
mkdirSync(elsewhere, { recursive: true })
const { build } = (await import('../../repl/setup.mjs' as string)) as { build: () => void }
beforeAll(() => build())

const scripts = { start: fileURLToPath(new URL('./start_installed.py', import.meta.url)) }
const environment = (prefix: string) => ({
  ...process.env,
  JUPYTER_PATH: join(prefix, 'share/jupyter'),
  JUPYTER_DATA_DIR: join(dir, 'data'),
  LLAMA_PRO_HISTORY: '',
})

/** Runs `llama-pro` of a copy of the package, from another directory. */
function llamaPro(command: string[], args: string[], prefix: string): { stdout: string; status: number | null } {
  const [program, ...rest] = [...command, ...args]
  const ran = spawnSync(program!, rest, { cwd: elsewhere, env: environment(prefix), encoding: 'utf8' })
  if (ran.error) throw ran.error
  return ran
}

/** Installs the kernel, starts it by its name, uses and restarts it, asks the doctor, removes it. */
function checkKernel(command: string[], prefix: string): void {
  const name = 'llama-pro-installed'
  const place = ['--prefix', prefix, '--name', name]
  const installed = llamaPro(command, ['kernel', 'install', ...place, '--json'], prefix)
  const { directory } = JSON.parse(installed.stdout) as { directory: string }
  expect(directory).toBe(join(prefix, 'share/jupyter/kernels', name))
  const cells = [
    'const kept: string = process.cwd(); kept',
    'console.log([1, 2].map(x => x * 2).join()); lab.isLoaded',
    'import * as os from "node:os"; os.eol',
    'aq.table({ a: [1, 2] }).numRows() + tensor([1, 2]).shape[0]!',
  ]
  const started = spawnSync(python, [scripts.start, name, ...cells], {
    cwd: elsewhere,
    env: environment(prefix),
    encoding: 'utf8',
    timeout: 200_000,
  })
  expect(JSON.parse(started.stdout.trim().split('\n').at(-1) || started.stderr)).toEqual([
    ['ok', `'${realpathSync(elsewhere)}'`],
    ['ok', '2,4\nfalse'],
    ['error', expect.stringContaining("TS2551: Property 'eol' does not exist")],
    ['ok', '4'],
    ['error', expect.stringContaining("Cannot find name 'kept'")],
  ])
  const doctor = JSON.parse(llamaPro(command, ['doctor', '--json'], prefix).stdout) as {
    checks: { name: string; works: boolean; detail: string }[]
  }
  expect(doctor.checks.find(check => check.name === 'notebook kernel')).toMatchObject({
    works: true,
    detail: `${name} in ${directory}`,
  })
  expect(llamaPro(command, ['kernel', 'uninstall', ...place], prefix).status).toBe(0)
  expect(existsSync(directory)).toBe(false)
}

describe.skipIf(!hasClient)('the kernel by its name, from another directory', () => {
  test('of a checkout', () => {
    checkKernel([process.execPath, join(repositoryRoot, 'dist/repl/cli/main.js')], join(dir, 'checkout'))
  })

  test('of the package, packed and installed globally', context => {
    const npm = (...args: string[]) =>
      spawnSync('npm', [...args, '--loglevel=error'], { cwd: repositoryRoot, encoding: 'utf8' })
    const [{ filename }] = JSON.parse(npm('pack', '--json', '--ignore-scripts', '--pack-destination', dir).stdout) as [
      { filename: string },
    ]
    const global = join(dir, 'global')
    const flags = ['--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline']
    const { status, stderr } = npm('install', '--global', '--prefix', global, ...flags, join(dir, filename))
    if (/ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT/.test(stderr)) context.skip('the npm registry cannot be reached')
    expect(status, stderr).toBe(0)
    checkKernel([join(global, 'bin/llama-pro')], global)
  })
})
