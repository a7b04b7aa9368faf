import { Command, CommanderError } from 'commander'
import { didYouMean, type LabError, packageVersion } from '../../src/index.js'
import { compareCommand } from './commands/compare.js'
import { demoCommand } from './commands/demo.js'
import { doctorCommand } from './commands/doctor.js'
import { evalCommand } from './commands/eval.js'
import { expandCommand } from './commands/expand.js'
import { generateCommand } from './commands/generate.js'
import { inspectCommand } from './commands/inspect.js'
import { kernelCommand } from './commands/kernel.js'
import { plotCommand } from './commands/plot.js'
import { replCommand } from './commands/repl.js'
import { serveCommand } from './commands/serve.js'
import { trainCommand } from './commands/train.js'
import { verifyCommand } from './commands/verify.js'
import type { CommandContext } from './context.js'
import { failureOf, reportFailure, usageError } from './exit.js'
import { type CliIo, Output } from './output.js'

const commands = [
  inspectCommand,
  expandCommand,
  verifyCommand,
  trainCommand,
  compareCommand,
  evalCommand,
  generateCommand,
  plotCommand,
  replCommand,
  serveCommand,
  kernelCommand,
  doctorCommand,
]

const environment = `
Environment:
  LLAMA_PRO_DEBUG=1   show where an error came from
  NO_COLOR=1          no colours
  HF_TOKEN, HF_HUB_CACHE, HF_HUB_OFFLINE   as in huggingface_hub

Exit codes: 0 done, 1 failed, 2 bad usage or recipe, 130 interrupted;
a session also 129 when its terminal was closed, 143 when it was asked to end.`

/** The command with its subcommands; texts that commander wants on stdout go through `write`. */
function buildProgram(context: CommandContext, write: (text: string) => void): Command {
  const program = new Command('llama-pro')
    .description('LLaMA Pro block expansion: expand, freeze, train, and measure forgetting while it happens.')
    .version(packageVersion(), '-V, --version', 'show the version')
    .option('--json', 'one JSON document on stdout, everything else on stderr')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', environment)
  for (const make of commands) program.addCommand(make(context))
  program.addCommand(demoCommand(context), { hidden: true })
  for (const command of [program, ...program.commands.flatMap(one => [one, ...one.commands])]) {
    command.exitOverride()
    command.helpOption('-h, --help', 'show help')
    command.configureHelp({
      showGlobalOptions: true,
      visibleGlobalOptions: () =>
        command === program ? [] : program.options.filter(option => option.long === '--json'),
      subcommandTerm: nameAndArguments,
    })
    command.configureOutput({ writeOut: write, writeErr: () => {} })
  }
  return program
}

/** `expand <in> <out>`: options are for the help of the command itself. */
function nameAndArguments(command: Command): string {
  const names = command.registeredArguments.map(argument => {
    const text = `${argument.name()}${argument.variadic ? '...' : ''}`
    return argument.required ? `<${text}>` : `[${text}]`
  })
  return [command.name(), ...names].join(' ')
}

/** Whether one JSON document is asked for; known before anything is parsed, because a mistake in parsing is told in JSON too. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--')
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json')
}

/** Where to read about a command whose use was wrong. */
function usageHint(program: Command, argv: readonly string[]): string {
  const name = program.commands.find(command => argv.includes(command.name()))?.name()
  return `See llama-pro ${name === undefined ? '' : `${name} `}--help`
}

/** `help` with the name of no command, or a command that does nothing without a subcommand. */
function unknownTopic(program: Command, argv: readonly string[]): LabError {
  const [command, topic] = argv.filter(argument => !argument.startsWith('-'))
  const group = program.commands.find(one => one.name() === command)
  if (group && topic === undefined)
    return usageError(`expected one of ${group.commands.map(one => one.name()).join(', ')} after ${command}`)
  const names = program.commands.map(command => command.name())
  return usageError(`unknown command '${topic}'.${didYouMean(topic ?? '', names)}`)
}

/**
 * Runs one command line.
 * @param argv arguments after the program's name
 * @returns the exit code
 */
export async function runCli(argv: readonly string[], io: CliIo): Promise<number> {
  const json = wantsJson(argv)
  const context: CommandContext = { io, out: new Output(io, { json }), exitCode: 0 }
  const written: string[] = []
  const program = buildProgram(context, text => void written.push(text))
  const sayStopping = () => context.out.note('stopping; press Ctrl-C again to stop at once')
  io.signal.addEventListener('abort', sayStopping, { once: true })
  try {
    const isBare = argv.every(argument => argument === '--json')
    await program.parseAsync(isBare ? [...argv, '--help'] : argv, { from: 'user' })
    return context.exitCode
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) {
      context.out.piece(written.join(''))
      context.out.document({ text: written.join('') })
      return 0
    }
    const cause =
      error instanceof CommanderError && error.code === 'commander.help' ? unknownTopic(program, argv) : error
    return reportFailure(failureOf(cause, io), { io, json, hint: usageHint(program, argv) })
  } finally {
    io.signal.removeEventListener('abort', sayStopping)
  }
}
