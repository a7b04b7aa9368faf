/** Commands about the session itself. */
import { type ActionCommand, stepNumber } from './command.js'
import { planOptions } from './model-commands.js'

export const sessionCommands: readonly ActionCommand[] = [
  {
    name: 'demo',
    group: 'session',
    about: 'the whole method on a small model: load, plan, expand, prove, train, compare',
    arguments: [],
    options: {},
    examples: [':demo'],
    act: (_, actions) => actions.demo(),
  },
  {
    name: 'step',
    group: 'session',
    about: 'walk through the expansion step by step, on a text of your own if you give one',
    arguments: [
      { name: 'step', kind: 'step' },
      { name: 'prompt', kind: 'text', isRest: true },
    ],
    options: planOptions,
    examples: [':step', ':step proof The river ran', ':step ladder groups=2 placement=suffix'],
    async act({ words: [step = '1', ...words], options: expansion }, actions) {
      const prompt = words.join(' ')
      await actions.openSteps(stepNumber(step), {
        ...(prompt === '' ? {} : { prompt }),
        ...(Object.keys(expansion).length === 0 ? {} : { expansion }),
      })
    },
  },
  {
    name: 'doctor',
    group: 'session',
    about: 'check what this machine has',
    arguments: [],
    options: {},
    examples: [':doctor'],
    act: (_, actions) => actions.doctor(),
  },
  {
    name: 'time',
    group: 'session',
    about: 'run TypeScript or a command and say how long it took',
    arguments: [{ name: 'code', kind: 'text', isRequired: true, isRest: true }],
    options: {},
    isRaw: true,
    examples: [':time lab.logits("x").data()', ':time :verify'],
    async act({ text }, actions) {
      const started = performance.now()
      await actions.runLines([text])
      actions.print(`${((performance.now() - started) / 1000).toFixed(3)} s`)
    },
  },
  {
    name: 'vars',
    group: 'session',
    about: 'the variables that you have made',
    arguments: [],
    options: {},
    examples: [':vars'],
    act: (_, actions) => actions.print(actions.variables()),
  },
  {
    name: 'edit',
    group: 'session',
    about: 'write the next input in $EDITOR',
    arguments: [{ name: 'code', kind: 'text', isRest: true }],
    options: {},
    isRaw: true,
    examples: [':edit'],
    async act({ text }, actions) {
      const edited = await actions.edit(text)
      if (edited !== null) actions.setPrompt(edited.trimEnd())
    },
  },
  {
    name: 'load-script',
    group: 'session',
    about: 'run a file of TypeScript or of commands, a line of commands at a time',
    arguments: [{ name: 'file', kind: 'path', isRequired: true }],
    options: {},
    examples: [':load-script steps.ts'],
    async act({ words: [path] }, actions) {
      await actions.runLines(scriptParts(actions.readFile(path!)))
    },
  },
  {
    name: 'export',
    group: 'session',
    about: 'write what was run as a notebook',
    arguments: [{ name: 'file', kind: 'path', isRequired: true }],
    options: { overwrite: { kind: 'choice', choices: ['yes'], about: 'a file of others' } },
    examples: [':export session.ipynb', ':export session.ipynb overwrite=yes'],
    act: ({ words: [path], options }, actions) =>
      actions.exportNotebook(path!, { overwrite: options['overwrite'] === 'yes' }),
  },
  {
    name: 'help',
    group: 'session',
    about: 'the commands, or one of them',
    arguments: [{ name: 'command', kind: 'command' }],
    options: {},
    examples: [':help', ':help train'],
    act: ({ words: [name] }, actions) => actions.print(actions.help(name)),
  },
  {
    name: 'quit',
    group: 'session',
    about: 'leave (also Ctrl-D)',
    arguments: [],
    options: {},
    examples: [':quit'],
    act: (_, actions) => actions.leave(),
  },
]

/** A script as parts to run: command lines by themselves, what stands between them as one cell. */
export function scriptParts(text: string): string[] {
  const parts: string[] = []
  let code: string[] = []
  const endCode = () => {
    if (code.join('').trim() !== '') parts.push(code.join('\n'))
    code = []
  }
  for (const line of text.split('\n')) {
    if (!/^:[a-z]/.test(line)) {
      code.push(line)
      continue
    }
    endCode()
    parts.push(line)
  }
  endCode()
  return parts
}
