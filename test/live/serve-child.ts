/** Serves runs in a process of its own, to be killed: `serve-child.ts '{"runs": [...], "port": 0, "tokens": {...}}'`. Prints its port. */
import { LiveServer, type LiveServerOptions } from '../../src/live/server.js'

const server = await LiveServer.start(JSON.parse(process.argv[2]!) as LiveServerOptions)
process.stdout.write(`${server.port}\n`)
