/**
 * One kernel, started as its kernelspec would start it, and asked at once: `kernel-child.ts ours|ipykernel <program>`.
 * The requests wait in the sockets until the kernel listens, so the times are from its start to its answers.
 */
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { connectionFile, KernelClient } from '../kernel/client.js'
import { median } from './statistics.js'

const warmCells = 100
/** Cells before the measured ones, so that both have compiled what they use. */
const discardedCells = 20
/** How long a kernel is left alone at its end, in milliseconds. */
const settleMs = 4000
const main = fileURLToPath(new URL('../../dist/kernel/main.js', import.meta.url))

const [who = 'ours', program = process.execPath] = process.argv.slice(2)
const dir = mkdtempSync(join(tmpdir(), 'kernel-bench-'))
const connection = await connectionFile()
const path = join(dir, 'connection.json')
writeFileSync(path, JSON.stringify(connection))
const args = who === 'ours' ? [main, path] : ['-m', 'ipykernel_launcher', '-f', path]
const client = new KernelClient(connection, { reconnectMs: 5 })

async function secondsOf(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}

const execute = (code: string) => client.request('shell', 'execute_request', { code, allow_stdin: false })

const start = performance.now()
const kernel = spawn(program, args, {
  cwd: dir,
  stdio: ['ignore', 'ignore', 'inherit'],
  // neither reads nor writes what the user has of history and settings
  env: { ...process.env, LLAMA_PRO_HISTORY: '', IPYTHONDIR: join(dir, 'ipython') },
})
const asked = client.request('shell', 'kernel_info_request', {})
const executed = execute('1 + 1')
const info = await asked
const kernelInfoSeconds = (performance.now() - start) / 1000
await executed
const firstCellSeconds = (performance.now() - start) / 1000
const times: number[] = []
for (let n = 0; n < warmCells; n++) times.push(await secondsOf(() => execute(`1 + ${n}`)))
const warmCellSeconds = median(times.slice(discardedCells))
// a first start writes what later ones read: our compiled compiler, when nothing is asked for, and Python's .pyc files
await setTimeout(settleMs)
await client.request('control', 'shutdown_request', { restart: false })
await new Promise(resolve => kernel.once('exit', resolve))
client.close()
rmSync(dir, { recursive: true, force: true })
// what ipykernel calls its version is IPython's
const version =
  who === 'ours'
    ? String(info.content['implementation_version'])
    : execFileSync(program, ['-c', 'import ipykernel; print(ipykernel.__version__)'], { encoding: 'utf8' }).trim()
process.stdout.write(`${JSON.stringify({ version, kernelInfoSeconds, firstCellSeconds, warmCellSeconds })}\n`)
