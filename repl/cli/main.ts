#!/usr/bin/env node
/** The command `llama-pro`: the world outside (streams, signals) around {@link runCli}. */
import { exitCodes } from './exit.js'
import type { Stream } from './output.js'
import { runCli } from './program.js'

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
 * run writes its checkpoint; one that is already at its end has done what it was asked for.
 */
function stopOnClosedPipe(stream: Stream): void {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error
    interrupt.abort()
  })
}

function flushed(stream: Stream): Promise<void> {
  return new Promise(resolve => stream.write('', () => resolve()))
}

async function main(): Promise<void> {
  const { stdout, stderr, env } = process
  stopOnClosedPipe(stdout)
  stopOnClosedPipe(stderr)
  const exitCode = await runCli(process.argv.slice(2), { stdout, stderr, env, signal: interrupt.signal })
  await flushed(stdout)
  await flushed(stderr)
  process.exit(exitCode)
}

void main()
