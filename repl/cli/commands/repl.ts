import { Command } from 'commander'
import { deviceOption } from '../arguments.js'
import type { CommandContext } from '../context.js'

const examples = `
Examples:
  llama-pro repl
  llama-pro repl --plain
  echo ':load demo' | llama-pro repl

From a pipe or a file it runs the lines, echoes nothing, and stops at the first error with exit code 1.`

export function replCommand(context: CommandContext): Command {
  return new Command('repl')
    .summary('an interactive session in the terminal')
    .description('Opens a session in the terminal: TypeScript and commands at one prompt.')
    .option('--plain', 'plain lines: for screen readers and dumb terminals')
    .addOption(deviceOption())
    .addHelpText('after', examples)
    .action(async (options: { plain?: boolean; device: string }) => {
      const { openRepl } = await import('../../main.js')
      context.exitCode = await openRepl({ ...options, signal: context.io.signal })
    })
}
