/** All commands, and what a line at the prompt is. */
import { didYouMean } from '../../src/index.js'
import { type Command, commandError } from './command.js'
import { modelCommands } from './model-commands.js'
import { sessionCommands } from './session-commands.js'
import { trainingCommands } from './training-commands.js'

export const commands: readonly Command[] = [...modelCommands, ...trainingCommands, ...sessionCommands]

/** The command of a line, and the text after its name. @throws LabError COMMAND when there is no such command */
export function commandOf(name: string): Command {
  const command = commands.find(one => one.name === name)
  if (command) return command
  const names = commands.map(one => one.name)
  throw commandError(`no command ":${name}".${didYouMean(name, names)} :help lists them all.`)
}
