/**
 * `npm start`: sets a fresh clone up. Then `llama-pro` with the arguments after `--`, or without any: the session on a terminal,
 * the lines of stdin where some come, else the demo.
 */
import { fstatSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { mainFile, setUp } from './setup.mjs'

/** A pipe that brings nothing for this long is one that nobody writes to. */
const pipeMs = 1500

/** Whether lines come from stdin: a file that is not empty, or a pipe that brings something soon. */
async function hasLines() {
  const { stdin } = process
  const stat = fstatSync(0)
  if (stat.isFile()) return stat.size > 0
  if (!stat.isFIFO() && !stat.isSocket()) return false
  const found = await new Promise(resolve => {
    const timer = setTimeout(() => {
      process.stderr.write(
        `nothing came from stdin in ${pipeMs / 1000} s: running the demo; llama-pro repl waits for lines\n`,
      )
      resolve(false)
    }, pipeMs)
    stdin.once('readable', () => {
      clearTimeout(timer)
      resolve(stdin.readableLength > 0)
    })
    stdin.once('end', () => resolve(false))
    stdin.once('error', () => resolve(false))
  })
  stdin.removeAllListeners('readable')
  return found
}

setUp()
const given = process.argv.slice(2)
const args = given.length > 0 && given.every(argument => argument === '--plain') ? ['repl', ...given] : given
const isTerminal = process.stdin.isTTY && process.stdout.isTTY
if (args.length === 0 && (isTerminal || (await hasLines()))) {
  const { openRepl } = await import(pathToFileURL(join(dirname(dirname(mainFile)), 'main.js')).href)
  process.exit(await openRepl())
}
process.argv = [process.execPath, mainFile, ...(args.length > 0 ? args : ['demo'])]
await import(pathToFileURL(mainFile).href)
