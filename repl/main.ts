/** Opens the session: on a terminal with everything, elsewhere as plain lines. Light: what is heavy is loaded after the first prompt. */
import { packageVersion } from '../src/util/package.js'
import { makeStyle, wantsColor } from './cli/style.js'

export interface ReplOptions {
  cwd?: string
  /** Plain lines even on a terminal: for screen readers, and for terminals that know no escapes. */
  plain?: boolean
  device?: string
  threads?: number
  /** Ends the session as SIGTERM does: a run writes its checkpoint. */
  signal?: AbortSignal
}

/** Runs a session until it ends; resolves to the exit code. Until then SIGINT and SIGTERM are answered by the session alone. */
export async function openRepl(options: ReplOptions = {}): Promise<number> {
  const before = signals.map(name => [name, process.listeners(name)] as const)
  for (const name of signals) process.removeAllListeners(name)
  const { signal, ...session } = options
  const end = () => process.emit('SIGTERM')
  try {
    signal?.addEventListener('abort', end, { once: true })
    return await openSession(session)
  } finally {
    signal?.removeEventListener('abort', end)
    for (const [name, listeners] of before) for (const listener of listeners) process.on(name, listener)
  }
}

const signals = ['SIGINT', 'SIGTERM'] as const

async function openSession({
  cwd = process.cwd(),
  plain = false,
  ...options
}: Omit<ReplOptions, 'signal'>): Promise<number> {
  const { stdin, stdout, stderr, env } = process
  if (plain || !stdin.isTTY || !stdout.isTTY || env['TERM'] === 'dumb') {
    const { runPlain } = await import('./plain.js')
    return runPlain({ cwd, stdin, stdout, stderr, ...options })
  }
  const { TerminalRepl } = await import('./terminal/terminal-repl.js')
  const { TypedHistory } = await import('./terminal/history-file.js')
  const history = new TypedHistory({ onProblem: message => process.emitWarning(message) })
  const repl = new TerminalRepl({ cwd, history, offer: ':demo', ...options })
  return repl.run(bannerText(wantsColor(true, env)))
}

function bannerText(color: boolean): string {
  const style = makeStyle(color)
  return [
    `${style.bold('Llama Pro Lab')} ${packageVersion()}  LLaMA Pro block expansion in TypeScript`,
    `${style.green('Enter')} runs the demo story: load, plan, expand, prove, train, compare.`,
    `Or type TypeScript, or a command such as ${style.cyan(':load demo')}; ${style.cyan(':help')} lists them.`,
    '',
  ].join('\n')
}
