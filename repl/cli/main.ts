#!/usr/bin/env node
/** The command `llama-pro`: the world outside (streams, signals) around {@link runCli}. */
import { exitCodes } from './exit-codes.js'
import type { Stream } from './output.js'

const interrupt = new AbortController()

/** The first Ctrl-C asks the command to come to an end, the second ends the process. */
function onInterrupt(): void {
  if (!interrupt.signal.aborted) {
    interrupt.abort()
    return
  }
  // a progress view may have hidden the cursor and switched line wrapping off
  for (const stream of [process.stdout, process.stderr]) if (stream.isTTY) stream.write('\u001b[?25h\u001b[?7h\n')
  process.exit(exitCodes.interrupted)
}

process.on('SIGINT', onInterrupt)
process.on('SIGTERM', onInterrupt)

/**
 * Whoever read the output has gone (`| head`): nobody is left to write for. The command comes to an end as after Ctrl-C, so that a
 * run writes its checkpoint; one that is already at its end has done what it was asked for. A terminal that has gone is for its
 * session to answer.
 */
function stopOnClosedPipe(stream: Stream): void {
  if (stream.isTTY) return
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error
    interrupt.abort()
  })
}

function flushed(stream: Stream): Promise<void> {
  return new Promise(resolve => stream.write('', () => resolve()))
}

async function openSession(options: { plain: boolean }): Promise<number> {
  const { stdout, stderr, env } = process
  const { signal } = interrupt
  try {
    const { openRepl } = await import('../main.js')
    return await openRepl({ ...options, signal })
  } catch (error) {
    const { failureOf, reportFailure } = await import('./exit.js')
    const io = { stdout, stderr, env, signal }
    return reportFailure(failureOf(error, io), { io, json: false, hint: '' })
  }
}

/** Runs the command line. The session by itself is opened without the other commands, which take a second to load. */
async function run(argv: readonly string[]): Promise<number> {
  const { stdout, stderr, env } = process
  if (argv[0] === 'repl' && argv.slice(1).every(argument => argument === '--plain')) {
    return openSession({ plain: argv.length > 1 })
  }
  const { runCli } = await import('./program.js')
  return runCli(argv, { stdout, stderr, env, signal: interrupt.signal })
}

async function main(): Promise<void> {
  const { stdout, stderr } = process
  stopOnClosedPipe(stdout)
  stopOnClosedPipe(stderr)
  const exitCode = await run(process.argv.slice(2))
  await flushed(stdout)
  await flushed(stderr)
  process.exit(exitCode)
}

void main()
