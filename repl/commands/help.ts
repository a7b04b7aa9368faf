/** What `:help` says. */
import { type Command, usageOf } from './command.js'
import { commandOf, commands } from './table.js'

const groups: Record<Command['group'], string> = {
  model: 'The model',
  training: 'Training and forgetting',
  session: 'The session',
}

const keys: readonly (readonly [string, string])[] = [
  ['Tab', 'complete; again: the next one'],
  ['Enter', 'run; in an unfinished block: a new line (Alt-Enter always)'],
  ['Up, Down', 'lines of a block, then history with the same beginning'],
  ['Ctrl-R', 'search in history'],
  ['Right, End', 'take the grey suggestion; Alt-F: a word of it'],
  ['Ctrl-C', 'cancel the line, then what runs'],
  ['Ctrl-D', 'leave'],
  ['?name, ??name', 'type and documentation of a name'],
]

/** All commands and keys, or one command. @throws LabError COMMAND for a name that is none */
export function helpText(name?: string): string {
  if (name !== undefined) return commandHelp(commandOf(name.replace(/^[:/]/, '')))
  const width = Math.max(...commands.map(one => one.name.length)) + 3
  const sections = Object.entries(groups).map(([group, title]) => {
    const lines = commands.filter(one => one.group === group).map(one => row(`:${one.name}`, one.about, width))
    return [title, ...lines].join('\n')
  })
  const keyLines = ['Keys', ...keys.map(([key, about]) => row(key, about, width))].join('\n')
  const cells = 'Anything else is TypeScript: top-level await, lab and the whole library, _ and Out[n] for results.'
  return [...sections, keyLines, cells].join('\n\n')
}

function row(name: string, about: string, width: number): string {
  return `  ${name.padEnd(width)}${about}`
}

function commandHelp(command: Command): string {
  const options = Object.entries(command.options).map(([name, { about, choices }]) =>
    row(`${name}=`, choices ? `${about}: ${choices.join(', ')}` : about, 22),
  )
  return [
    usageOf(command),
    `  ${command.about}`,
    ...(options.length > 0 ? ['Options', ...options] : []),
    'Examples',
    ...command.examples.map(example => `  ${example}`),
  ].join('\n')
}
