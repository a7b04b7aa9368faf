/** `npm start`: sets a fresh clone up, then runs the demo, or `llama-pro` with the arguments after `--`. */
import { pathToFileURL } from 'node:url'
import { mainFile, setUp } from './setup.mjs'

setUp()
const args = process.argv.slice(2)
process.argv = [process.execPath, mainFile, ...(args.length > 0 ? args : ['demo'])]
await import(pathToFileURL(mainFile).href)
