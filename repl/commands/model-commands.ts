/** Commands about the model: each is one call of the session, as a cell would make it. */
import type { CellCommand, OptionSpec } from './command.js'
import { call, literal } from './words.js'

export const planOptions: Record<string, OptionSpec> = {
  groups: { kind: 'integer', about: 'N of the paper: groups that the blocks are split into' },
  copies: { kind: 'integer', about: 'P of the paper: new blocks per group (default 1)' },
  placement: { kind: 'choice', choices: ['interleaved', 'prefix', 'suffix'], about: 'where copies go' },
  at: { kind: 'layers', about: 'indices of the new blocks after expansion, instead of groups' },
}

export const modelCommands: readonly CellCommand[] = [
  {
    name: 'load',
    group: 'model',
    about: 'load a model: the demo, a directory, a run, or hf://owner/name',
    arguments: [{ name: 'where', kind: 'model' }],
    options: {},
    examples: [':load demo', ':load hf://HuggingFaceTB/SmolLM2-135M'],
    toCell: ({ words: [where = 'demo'] }) => `await ${call('load', where)}`,
  },
  {
    name: 'inspect',
    group: 'model',
    about: 'the configuration of the live model, or of a model directory',
    arguments: [{ name: 'model', kind: 'path' }],
    options: {},
    examples: [':inspect', ':inspect runs/expansion/model'],
    toCell: ({ words: [where] }) =>
      where === undefined ? 'lab.config' : `await readModelConfig(await resolveModelDir(${literal(where)}))`,
  },
  {
    name: 'layers',
    group: 'model',
    about: 'every block: its source, whether it is new and trainable, its parameters',
    arguments: [],
    options: {},
    examples: [':layers'],
    toCell: () => call('layers'),
  },
  {
    name: 'plan',
    group: 'model',
    about: 'plan where new blocks go; nothing is changed yet',
    arguments: [],
    options: planOptions,
    examples: [':plan groups=3', ':plan at=2,5,8'],
    toCell: ({ options }) => (Object.keys(options).length === 0 ? 'lab.currentPlan' : call('plan', options)),
  },
  {
    name: 'expand',
    group: 'model',
    about: 'copy blocks, zero o_proj and down_proj of the copies, select them for training',
    arguments: [],
    options: planOptions,
    examples: [':expand', ':expand groups=3'],
    toCell: ({ options }) => `await ${call('expand', options)}`,
  },
  {
    name: 'verify',
    group: 'model',
    about: 'prove that the expanded model is the same function, bit for bit, on your prompt',
    arguments: [{ name: 'prompt', kind: 'text', isRest: true }],
    options: {},
    examples: [':verify', ':verify The river ran'],
    toCell: ({ words }) => `await ${call('verify', words.length > 0 ? words.join(' ') : undefined)}`,
  },
  {
    name: 'freeze',
    group: 'model',
    about: 'take parameters out of training',
    arguments: [{ name: 'rule', kind: 'rule', isRequired: true, isRest: true }],
    options: {},
    examples: [':freeze "block 3-7"', ':freeze all', ':freeze model.embed_tokens.weight'],
    toCell: ({ words }) => call('freeze', ...words),
  },
  {
    name: 'unfreeze',
    group: 'model',
    about: 'select parameters for training',
    arguments: [{ name: 'rule', kind: 'rule', isRequired: true, isRest: true }],
    options: {},
    examples: [':unfreeze added', ':unfreeze "model.layers.*.mlp.**"'],
    toCell: ({ words }) => call('unfreeze', ...words),
  },
  {
    name: 'gate',
    group: 'model',
    about: 'set the gate of new blocks: 1 on, 0 off (all 0: the base, bit for bit)',
    arguments: [
      { name: 'value', kind: 'number' },
      { name: 'layer', kind: 'layer' },
    ],
    options: {},
    examples: [':gate', ':gate 0', ':gate 0.5 3'],
    toCell: ({ words: [value, layer] }) =>
      value === undefined
        ? call('gates')
        : call('gate', Number(value), layer === undefined ? undefined : Number(layer)),
  },
  {
    name: 'generate',
    group: 'model',
    about: 'continue a text with the live model',
    arguments: [{ name: 'prompt', kind: 'text', isRequired: true, isRest: true }],
    options: {
      maxNewTokens: { kind: 'integer', about: 'tokens at most (default 48)' },
      temperature: { kind: 'number', about: '0 takes the likeliest token (default)' },
      topP: { kind: 'number', about: 'share of the probability that is drawn from (default 1)' },
      seed: { kind: 'integer', about: 'of the draws' },
    },
    examples: [':generate The river ran', ':generate "const x =" maxNewTokens=20 temperature=0.7'],
    toCell: ({ words, options }) => generateCell(words.join(' '), options),
  },
  {
    name: 'save',
    group: 'model',
    about: 'write the live model as a Hugging Face directory',
    arguments: [{ name: 'directory', kind: 'path', isRequired: true }],
    options: {
      dtype: { kind: 'choice', choices: ['float32', 'bfloat16', 'float16'], about: 'default that of the model' },
    },
    examples: [':save my-model', ':save my-model dtype=bfloat16'],
    toCell: ({ words: [dir], options }) => `await ${call('save', dir, options)}`,
  },
  {
    name: 'device',
    group: 'model',
    about: 'where tensors are computed; with a name, move there',
    arguments: [{ name: 'name', kind: 'device' }],
    options: {},
    examples: [':device', ':device cpu'],
    toCell: ({ words: [name] }) => (name === undefined ? 'lab.engine.description' : `await ${call('useDevice', name)}`),
  },
]

/** The text appears as it is found; the string itself would only say it twice. */
function generateCell(prompt: string, options: object): string {
  const fields = literal(options).replace(/^\{ ?|(?: )?\}$/g, '')
  const all = [fields, 'onText: piece => void process.stdout.write(piece)'].filter(part => part !== '').join(', ')
  return `await lab.generate(${literal(prompt)}, { ${all} })\nconsole.log()`
}
