import { type ChildProcess, spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connectionFile, KernelClient } from './client.js'

export interface LaunchedKernel {
  client: KernelClient
  process: ChildProcess
  /** What the process has written to stderr so far. */
  log: () => string
  /** Resolves with the exit code when the process ends. */
  exited: Promise<number | null>
  stop: () => Promise<void>
}

/** Starts a kernel, compiled or a TypeScript source, and connects to it. */
export async function launch(
  script: string,
  dir: string,
  { args = [], env = {} }: { args?: string[]; env?: Record<string, string> } = {},
): Promise<LaunchedKernel> {
  const connection = await connectionFile()
  const path = join(dir, `connection-${connection['shell_port']}.json`)
  writeFileSync(path, JSON.stringify(connection))
  const loader = script.endsWith('.ts') ? ['--import', 'tsx'] : []
  const child = spawn(process.execPath, [...loader, script, path, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  })
  let log = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', text => (log += text))
  const exited = new Promise<number | null>(resolve => child.once('exit', resolve))
  const client = new KernelClient(connection)
  const stop = async () => {
    client.close()
    child.kill('SIGKILL')
    await exited
  }
  const failed = exited.then(code => Promise.reject(new Error(`the kernel ended with ${code}: ${log}`)))
  failed.catch(() => {})
  await Promise.race([client.ready(), failed])
  return { client, process: child, log: () => log, exited, stop }
}
