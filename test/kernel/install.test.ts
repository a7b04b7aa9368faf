import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { installKernelSpec, uninstallKernelSpec } from '../../kernel/install.js'
import { jupyterDataDir, jupyterSearchPath, type Surroundings } from '../../kernel/jupyter-paths.js'
import { findJupyter, findKernelSpecs } from '../../kernel/jupyter-state.js'
import { logoPng, logoSvg } from '../../kernel/logo.js'
import { historyPath } from '../../kernel/state-path.js'
import packageJson from '../../package.json' with { type: 'json' }
import { cliWith } from '../cli/harness.js'
import { temporaryDirectory } from '../support/temporary.js'

const dir = temporaryDirectory('kernelspec')
const main = join(dir, 'main.js')
writeFileSync(main, '')
const at = (env: Record<string, string> = {}, platform: NodeJS.Platform = 'linux'): Surroundings => ({
  env,
  platform,
  home: join(dir, 'home'),
})

describe('where Jupyter looks', () => {
  test.each<[Record<string, string>, NodeJS.Platform, string]>([
    [{}, 'linux', join(dir, 'home/.local/share/jupyter')],
    [{ XDG_DATA_HOME: '/xdg' }, 'linux', '/xdg/jupyter'],
    [{ JUPYTER_DATA_DIR: '/own', XDG_DATA_HOME: '/xdg' }, 'linux', '/own'],
    [{}, 'darwin', join(dir, 'home/Library/Jupyter')],
    [{ APPDATA: '/roaming' }, 'win32', '/roaming/jupyter'],
  ])('%j on %s', (env, platform, expected) => {
    expect(jupyterDataDir(at(env, platform))).toBe(expected)
  })

  test('JUPYTER_PATH first, then the user, the environment and the system', () => {
    const env = { JUPYTER_PATH: '/a:/b', JUPYTER_DATA_DIR: '/own', VIRTUAL_ENV: '/venv' }
    const system = ['/usr/local/share/jupyter', '/usr/share/jupyter']
    expect(jupyterSearchPath(at(env))).toEqual(['/a', '/b', '/own', '/venv/share/jupyter', ...system])
  })

  test('the history of cells has its own place, or none', () => {
    expect(historyPath(at({ XDG_STATE_HOME: '/state' }))).toBe('/state/llama-pro-lab/history.jsonl')
    expect(historyPath(at({ LLAMA_PRO_HISTORY: '/h' }))).toBe('/h')
    expect(historyPath(at({ LLAMA_PRO_HISTORY: '' }))).toBeNull()
  })
})

describe('the kernelspec', () => {
  test('is written whole and taken back', () => {
    const where = at({ JUPYTER_DATA_DIR: join(dir, 'data') })
    const { directory, isOnSearchPath } = installKernelSpec({ where, main })
    expect(directory).toBe(join(dir, 'data/kernels/llama-pro'))
    expect(isOnSearchPath).toBe(true)
    expect(readdirSync(directory).sort()).toEqual(['kernel.json', 'logo-32x32.png', 'logo-64x64.png', 'logo-svg.svg'])
    expect(JSON.parse(readFileSync(join(directory, 'kernel.json'), 'utf8'))).toEqual({
      argv: [process.execPath, main, '{connection_file}'],
      display_name: 'Llama Pro Lab (TypeScript)',
      language: 'typescript',
      interrupt_mode: 'message',
      kernel_protocol_version: '5.5',
      metadata: { debugger: false, 'llama-pro-lab': { version: packageJson.version } },
    })
    installKernelSpec({ where, main, displayName: 'Again' })
    expect(readFileSync(join(directory, 'kernel.json'), 'utf8')).toContain('"Again"')
    expect(uninstallKernelSpec({ where })).toBe(directory)
    expect(existsSync(directory)).toBe(false)
  })

  test('goes below a prefix, or to the active environment', () => {
    const prefix = join(dir, 'prefix')
    const placed = installKernelSpec({ where: at(), main, prefix, name: 'other' })
    expect(placed).toMatchObject({ directory: join(prefix, 'share/jupyter/kernels/other'), isOnSearchPath: false })
    const where = at({ CONDA_PREFIX: prefix })
    expect(installKernelSpec({ where, main, sysPrefix: true, name: 'other' }).isOnSearchPath).toBe(true)
    expect(() => installKernelSpec({ where: at(), main, sysPrefix: true })).toThrow('VIRTUAL_ENV')
    expect(() => installKernelSpec({ where, main, sysPrefix: true, user: true })).toThrow('choose one')
  })

  test("another's kernel is neither written over nor removed", () => {
    const where = at({ JUPYTER_DATA_DIR: join(dir, 'foreign') })
    const foreign = join(dir, 'foreign/kernels/python3')
    mkdirSync(foreign, { recursive: true })
    writeFileSync(join(foreign, 'kernel.json'), '{"argv":["python"],"metadata":{}}')
    expect(() => installKernelSpec({ where, main, name: 'python3' })).toThrow('another kernel')
    expect(() => uninstallKernelSpec({ where, name: 'python3' })).toThrow('left alone')
    expect(() => uninstallKernelSpec({ where })).toThrow('no kernel is installed')
    for (const name of ['..', 'a/b', ''])
      expect(() => installKernelSpec({ where, main, name })).toThrow('the name of a')
  })

  test('a checkout that was not built says so', () => {
    const missing = join(dir, 'missing.js')
    expect(() => installKernelSpec({ where: at(), main: missing })).toThrow('npm run build')
  })

  test('the command says what it did, and what went wrong', async () => {
    const env = { JUPYTER_DATA_DIR: join(dir, 'command') }
    installKernelSpec({ where: at(env), main })
    const removed = await cliWith({ env }, 'kernel', 'uninstall', '--json')
    expect(JSON.parse(removed.stdout)).toEqual({ directory: join(dir, 'command/kernels/llama-pro') })
    expect(await cliWith({ env }, 'kernel', 'uninstall')).toMatchObject({ code: 1 })
    expect(await cliWith({ env }, 'kernel', 'install', '--sys-prefix')).toMatchObject({ code: 2 })
    expect((await cliWith({ env }, 'kernel', 'install', '--help')).stdout).toContain('--display-name')
  })
})

describe('what the doctor sees', () => {
  const prefix = join(dir, 'doctor/venv')
  mkdirSync(join(prefix, 'bin'), { recursive: true })
  for (const program of ['jupyter', 'jupyter-lab']) writeFileSync(join(prefix, 'bin', program), '')
  const where = at({ PATH: `/nowhere:${join(prefix, 'bin')}`, JUPYTER_DATA_DIR: join(dir, 'doctor/data') })

  test('Jupyter on PATH or in the active environment, or none', () => {
    expect(findJupyter(where)).toBe(join(prefix, 'bin/jupyter-lab'))
    expect(findJupyter(at({ VIRTUAL_ENV: prefix }))).toBe(join(prefix, 'bin/jupyter-lab'))
    expect(findJupyter(at({ PATH: '/nowhere::relative' }))).toBeNull()
  })

  test('our kernels and no others, where Jupyter looks, and whether what they start is there', () => {
    installKernelSpec({ where, main })
    const gone = join(dir, 'gone.js')
    writeFileSync(gone, '')
    installKernelSpec({ where, main: gone, prefix, name: 'old' })
    installKernelSpec({ where, main: gone, prefix, name: 'llama-pro' })
    rmSync(gone)
    for (const [name, text] of [
      ['python3', '{"argv":["python"]}'],
      ['broken', '{'],
      ['empty', ''],
    ]) {
      mkdirSync(join(prefix, 'share/jupyter/kernels', name!), { recursive: true })
      if (text) writeFileSync(join(prefix, 'share/jupyter/kernels', name!, 'kernel.json'), text)
    }
    expect(findKernelSpecs(where)).toEqual([
      { name: 'llama-pro', directory: join(dir, 'doctor/data/kernels/llama-pro'), problem: null },
      {
        name: 'old',
        directory: join(prefix, 'share/jupyter/kernels/old'),
        problem: `it starts ${gone}, which does not exist`,
      },
    ])
  })
})

describe('the logo', () => {
  test('is a PNG of its size whose bars have the two colours', () => {
    const png = logoPng(32)
    expect(png.subarray(0, 8)).toEqual(Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]))
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([32, 32])
    const pixels = inflateSync(png.subarray(41, 41 + png.readUInt32BE(33)))
    const pixel = (x: number, y: number) => [...pixels.subarray(y * 129 + 1 + 4 * x, y * 129 + 5 + 4 * x)]
    expect([pixel(0, 0), pixel(4, 3), pixel(20, 9)]).toEqual([
      [0, 0, 0, 0],
      [51, 92, 129, 255],
      [242, 132, 48, 255],
    ])
  })

  test('is the same as an SVG', () => {
    expect(logoSvg().match(/<rect /g)).toHaveLength(5)
  })
})
