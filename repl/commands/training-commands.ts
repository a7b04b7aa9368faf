/** Commands about data, training runs and what they measured. */
import { type CellCommand, commandError, type OptionValue, type Surroundings } from './command.js'
import { recipeFields, recipeOptions } from './recipe-options.js'
import { call, literal } from './words.js'

function requireRun({ runStatus }: Surroundings, name: string, wanted: readonly string[]): void {
  if (runStatus !== null && wanted.includes(runStatus)) return
  const found = runStatus === null ? 'no run has been started' : `the newest run is ${runStatus}`
  throw commandError(`:${name} needs a run that is ${wanted.join(' or ')}; ${found}. Start one with :train.`)
}

export const trainingCommands: readonly CellCommand[] = [
  {
    name: 'data',
    group: 'training',
    about: 'what to train on: names, manifests, files, hf:// addresses; alone: what is set',
    arguments: [{ name: 'source', kind: 'dataset', isRest: true }],
    options: {},
    examples: [':data demo/code demo/math', ':data the-stack', ':data my-texts.jsonl'],
    toCell: ({ words }) => call('data', words.length > 0 ? words : undefined),
  },
  {
    name: 'train',
    group: 'training',
    about: 'train what is selected, in the background',
    arguments: [],
    options: {
      name: { kind: 'text', about: 'of the run directory' },
      steps: { kind: 'integer', about: 'optimizer steps' },
      lr: { kind: 'number', about: 'peak learning rate' },
      seqLen: { kind: 'integer', about: 'tokens a row' },
      microBatch: { kind: 'integer', about: 'rows computed at once' },
      gradAccumSteps: { kind: 'integer', about: 'micro-batches an optimizer step' },
      probeEverySteps: { kind: 'integer', about: 'steps between measurements of the probes' },
      checkpointEverySteps: { kind: 'integer', about: 'steps between checkpoints' },
      seed: { kind: 'integer', about: 'of the data order' },
      recipe: { kind: 'path', about: 'a recipe file' },
      ...recipeOptions,
    },
    examples: [
      ':train',
      ':train steps=40 lr=3e-4',
      ':train schedule.kind=constant optimizer.weightDecay=0',
      ':train recipe=my-recipe.yaml',
    ],
    toCell: ({ options }) => call('train', trainOptions(options)),
  },
  {
    name: 'pause',
    group: 'training',
    about: 'hold the run before its next step',
    arguments: [],
    options: {},
    examples: [':pause'],
    toCell: (_, about) => {
      requireRun(about, 'pause', ['training', 'starting'])
      return 'lab.run!.pause()'
    },
  },
  {
    name: 'resume',
    group: 'training',
    about: 'let a paused run go on, or continue an interrupted one exactly',
    arguments: [{ name: 'run', kind: 'run' }],
    options: {},
    examples: [':resume', ':resume runs/expansion'],
    toCell: ({ words: [dir] }, about) => {
      if (dir !== undefined) return call('resume', dir)
      requireRun(about, 'resume', ['paused', 'interrupted'])
      return about.runStatus === 'paused' ? 'lab.run!.resume()' : call('resume', about.runDir)
    },
  },
  {
    name: 'stop',
    group: 'training',
    about: 'end the run after its current step, with a checkpoint',
    arguments: [],
    options: {},
    examples: [':stop'],
    toCell: (_, about) => {
      requireRun(about, 'stop', ['training', 'paused', 'starting'])
      return 'await lab.run!.stop()'
    },
  },
  {
    name: 'probe',
    group: 'training',
    about: 'measure the live model on held-out texts, name=dataset (default those of the session)',
    arguments: [],
    options: { maxTokens: { kind: 'integer', about: 'tokens scored of each (default 4096)' } },
    hasFreeOptions: true,
    examples: [':probe', ':probe general=held-out.jsonl maxTokens=2048'],
    toCell: ({ options: { maxTokens, ...probes } }) =>
      `await ${call('probe', Object.keys(probes).length > 0 ? probes : undefined, { maxTokens })}`,
  },
  {
    name: 'plot',
    group: 'training',
    about: 'a figure of runs (default forgetting, of the newest run)',
    arguments: [
      { name: 'figure', kind: 'figure' },
      { name: 'run', kind: 'run', isRest: true },
    ],
    options: {
      x: { kind: 'choice', choices: ['step', 'tokens', 'seconds'], about: 'default step' },
      unit: { kind: 'choice', choices: ['nats', 'bitsPerByte'], about: 'of losses (default nats)' },
    },
    examples: [':plot', ':plot loss x=tokens', ':plot forgetting expansion full'],
    toCell: ({ words: [figure, ...runs], options }) =>
      call('plot', figure, { ...(runs.length > 0 ? { runs } : {}), ...options }),
  },
  {
    name: 'compare',
    group: 'training',
    about: 'several runs on the same axes, and their table',
    arguments: [
      { name: 'run', kind: 'run', isRequired: true },
      { name: 'run', kind: 'run', isRequired: true, isRest: true },
    ],
    options: {},
    examples: [':compare expansion full'],
    toCell: ({ words: runs }) =>
      `display(lab.plot("forgetting", ${literal({ runs })}))\nlab.table("summary", ${literal({ runs })})`,
  },
  {
    name: 'runs',
    group: 'training',
    about: 'the runs on disk',
    arguments: [],
    options: {},
    examples: [':runs'],
    toCell: () => call('runs'),
  },
]

/** Keys of the recipe go into its fields; a file has its own. */
function trainOptions(given: Record<string, OptionValue>): Record<string, unknown> {
  const entries = Object.entries(given)
  const keys = entries.filter(([name]) => Object.hasOwn(recipeOptions, name))
  if (keys.length === 0) return given
  if (given['recipe'] !== undefined)
    throw commandError(`:train takes either recipe= or keys of a recipe, got both: recipe=, ${keys[0]![0]}=`)
  const others = entries.filter(([name]) => !Object.hasOwn(recipeOptions, name))
  return { ...Object.fromEntries(others), recipe: recipeFields(Object.fromEntries(keys)) }
}
