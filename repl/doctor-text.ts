/** `llama-pro doctor` inside the session: its report as text. */
import { Writable } from 'node:stream'
import { doctorCommand } from './cli/commands/doctor.js'
import { Output } from './cli/output.js'

/** What the doctor writes, remarks included. */
export async function doctorText(signal: AbortSignal): Promise<string> {
  const pieces: string[] = []
  const sink = () =>
    new Writable({
      write(chunk: Buffer, _encoding, done) {
        pieces.push(chunk.toString())
        done()
      },
    })
  const io = { stdout: sink(), stderr: sink(), env: process.env, signal }
  await doctorCommand({ io, out: new Output(io, { json: false }), exitCode: 0 }).parseAsync([], { from: 'user' })
  return pieces.join('').trimEnd()
}
