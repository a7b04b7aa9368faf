import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { Command } from 'commander'
import { LiveServer } from '../../../src/index.js'
import { wholeNumber } from '../arguments.js'
import type { CommandContext } from '../context.js'
import { tokensOf } from '../live-tokens.js'

const examples = `
Examples:
  llama-pro serve runs                 every run in runs/, also those that begin later
  llama-pro serve runs/a runs/b        two runs on the same axes
  llama-pro serve runs --open          opens the page in the browser

The page follows runs of any process on this machine while they train. Only this machine can reach it, and only
with the address that is printed: it carries a token. With a fixed --port the address stays the same for a day, so
that open pages go on when the server is restarted. Ctrl-C ends it.`

interface Options {
  port: number
  open?: boolean
}

export function serveCommand(context: CommandContext): Command {
  return new Command('serve')
    .summary('watch runs live in the browser')
    .description('Serves a page with the live figures of runs.')
    .argument('<runs...>', 'directories of runs, or run directories')
    .option('--port <n>', 'port on 127.0.0.1 (0: a free one)', wholeNumber(0), 0)
    .option('--open', 'open the page in the browser')
    .addHelpText('after', examples)
    .action((runs: string[], options: Options) => serve(context, runs, options))
}

/** Serves until Ctrl-C; that is how it is meant to end, so it is no failure. */
async function serve({ io, out }: CommandContext, runs: string[], { port, open }: Options): Promise<void> {
  const server = await LiveServer.start({ runs, port, tokens: tokensOf(port, io.env) })
  try {
    out.document({ url: server.readUrl, port: server.port })
    out.line(server.readUrl)
    if (open) openInBrowser(server.readUrl)
    if (!io.signal.aborted) await once(io.signal, 'abort')
  } finally {
    await server.close()
  }
}

/** The desktop's own way to open an address; without a desktop nothing happens, and the address was printed. */
function openInBrowser(url: string): void {
  const [command, ...first]: [string, ...string[]] =
    process.platform === 'darwin' ? ['open'] : process.platform === 'win32' ? ['cmd', '/c', 'start', ''] : ['xdg-open']
  spawn(command, [...first, url], { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref()
}
