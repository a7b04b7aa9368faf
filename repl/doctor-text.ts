/** `llama-pro doctor` inside the session: its report as text. */
import { Writable } from 'node:stream'
import { doctorCommand } from './cli/commands/doctor.js'
import { Output } from './cli/output.js'

/** What the doctor writes, remarks included. `threads`: of the session (default: one a core). */
export async function doctorText(
  signal: AbortSignal,
  { threads }: { threads?: number | undefined } = {},
): Promise<string> {
  const pieces: string[] = []
  const sink = () =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        pieces.push(chunk.toString())
        done()
      },
    })
  const io = { stdout: sink(), stderr: sink(), env: process.env, signal }
  const context = { io, out: new Output(io, { json: false }), exitCode: 0 }
  await doctorCommand(context, threads === undefined ? {} : { threads }).parseAsync([], { from: 'user' })
  return pieces.join('').trimEnd()
}
