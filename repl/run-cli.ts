/** `llama-pro` inside the session: its report as text. */
import { Writable } from 'node:stream'
import { runCli } from './cli/program.js'

/** Runs a command line of `llama-pro` and returns what it wrote, errors included. */
export async function runCliToText(argv: readonly string[], signal: AbortSignal): Promise<string> {
  const pieces: string[] = []
  const sink = () =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        pieces.push(chunk.toString())
        done()
      },
    })
  await runCli(argv, { stdout: sink(), stderr: sink(), env: process.env, signal })
  return pieces.join('').trimEnd()
}
