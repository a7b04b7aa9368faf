/** What a fresh clone needs before anything runs: packages and a build. Plain JavaScript that needs nothing but Node. */
import { spawnSync } from 'node:child_process'
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { copyPython } from './copy-python.mjs'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const mainFile = join(root, 'dist', 'repl', 'cli', 'main.js')
const oldestNode = [20, 19]

const say = text => process.stderr.write(`${text}\n`)
const readJson = path => JSON.parse(readFileSync(path, 'utf8'))

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1])) return
  say(`Expected Node ${oldestNode.join('.')} or newer, this is ${process.version}. Get it from https://nodejs.org.`)
  process.exit(1)
}

/** Runs a program of this Node with its output passed through; its exit code. */
export function runNode(args, options = {}) {
  const { status, signal, error } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit', ...options })
  if (error) throw error
  return signal ? 1 : status
}

/** npm that started us, or the one beside Node. */
function runNpm(args) {
  const started = process.env.npm_execpath
  if (started && /npm-cli\.[cm]?js$/.test(started)) return runNode([started, ...args])
  const { status, error } = spawnSync('npm', args, { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' })
  if (error) throw error
  return status ?? 1
}

/**
 * Whether node_modules holds what package-lock.json says. Versions are compared, not times, which a checkout changes.
 * Packages for other machines may be absent.
 */
export function arePackagesInstalled(folder = root) {
  const installed = join(folder, 'node_modules', '.package-lock.json')
  if (!existsSync(installed)) return false
  const wanted = Object.entries(readJson(join(folder, 'package-lock.json')).packages)
  const found = readJson(installed).packages
  return wanted.every(([path, { version, optional, devOptional, link }]) => {
    if (path === '' || link) return true
    return found[path] ? found[path].version === version : Boolean(optional || devOptional)
  })
}

/** Installs packages when they are missing or others than package-lock.json says; linked folders belong to someone else. */
function install() {
  if (arePackagesInstalled()) return
  const folder = join(root, 'node_modules')
  if (lstatSync(folder, { throwIfNoEntry: false })?.isSymbolicLink()) return
  say('Installing packages ...')
  // no package needs its install script: native libraries come prebuilt, and onnxruntime-node's would download CUDA
  const status = runNpm(['ci', '--ignore-scripts', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'])
  if (status === 0) return
  say('npm ci failed; the reason stands above. With a network and a working registry, run it again.')
  process.exit(1)
}

function newestChange(path) {
  const stat = statSync(path)
  if (!stat.isDirectory()) return stat.mtimeMs
  return Math.max(0, ...readdirSync(path).map(name => newestChange(join(path, name))))
}

/** Whether the build is there and newer than every source. */
export function isBuilt() {
  if (!existsSync(mainFile)) return false
  const sources = ['src', 'repl', 'kernel'].map(name => join(root, name)).filter(existsSync)
  return statSync(mainFile).mtimeMs >= Math.max(...sources.map(newestChange))
}

/** Compiles the sources to `dist`. */
export function build() {
  if (isBuilt()) return
  say('Building ...')
  rmSync(join(root, 'dist'), { recursive: true, force: true })
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  if (runNode([compiler, '-p', join('src', 'tsconfig.json')]) === 0) return copyPython()
  rmSync(mainFile, { force: true })
  say('The build failed; the reasons stand above.')
  process.exit(1)
}

/** Makes the checkout ready: the right Node, packages, a build. */
export function setUp() {
  requireNode()
  install()
  build()
}
