import { mkdirSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkNames } from '../../repl/commands/check-names.js'
import { parseArguments, stepNumber } from '../../repl/commands/command.js'
import { commandLineOf, isCommandLine } from '../../repl/commands/command-line.js'
import { completeCommand, type NameSources } from '../../repl/commands/complete-command.js'
import { helpText } from '../../repl/commands/help.js'
import { recipeFields, recipeOptions } from '../../repl/commands/recipe-options.js'
import { scriptParts } from '../../repl/commands/session-commands.js'
import { commandOf, commands } from '../../repl/commands/table.js'
import { quoteWord, splitWords } from '../../repl/commands/words.js'
import { parseRecipe } from '../../src/index.js'
import { temporaryDirectory } from '../support/temporary.js'

const paused = { runStatus: 'paused', runDir: 'runs/x' }

/** The cell that a command line becomes. */
function cell(
  line: string,
  about: { runStatus: string | null; runDir: string | null } = { runStatus: null, runDir: null },
) {
  const { name, rest } = commandLineOf(line)!
  const command = commandOf(name)
  if (!('toCell' in command)) throw new Error(`${line} is no cell`)
  return command.toCell(parseArguments(command, rest), about)
}

describe('commands', () => {
  it('are these', () => {
    expect(
      commands
        .map(one => one.name)
        .sort()
        .join(' '),
    ).toBe(
      'compare data demo device doctor edit expand export freeze gate generate help inspect layers load load-script pause plan plot probe quit resume runs save step stop time train unfreeze vars verify',
    )
  })

  it.each([
    [':load', 'await lab.load("demo")'],
    ['/load runs/x', 'await lab.load("runs/x")'],
    [':plan groups=3 copies=2', 'lab.plan({ groups: 3, copies: 2 })'],
    [':plan at=2,5', 'lab.plan({ at: [2, 5] })'],
    [':plan', 'lab.currentPlan'],
    [':expand', 'await lab.expand()'],
    [':verify The "river  ran"', 'await lab.verify("The \\"river  ran\\"")'],
    [":verify Don't stop", 'await lab.verify("Don\'t stop")'],
    [":verify 'tis \\n the end", 'await lab.verify("\'tis \\\\n the end")'],
    [':verify "The river  ran"', 'await lab.verify("The river  ran")'],
    [':verify print("hi")  x', 'await lab.verify("print(\\"hi\\")  x")'],
    [':freeze "block 3-7" all', 'lab.freeze("block 3-7", "all")'],
    [':gate 0.5 3', 'lab.gate(0.5, 3)'],
    [':train steps=4 lr=1e-3', 'lab.train({ steps: 4, lr: 0.001 })'],
    [
      ':train steps=4 schedule.kind=constant schedule.warmupRatio=0 precision=f32',
      'lab.train({ steps: 4, recipe: { schedule: { kind: "constant", warmupRatio: 0 }, precision: "f32" } })',
    ],
    [':probe', 'await lab.probe()'],
    [':probe general=a.jsonl maxTokens=10', 'await lab.probe({ general: "a.jsonl" }, { maxTokens: 10 })'],
    [':probe maxTokens=10', 'await lab.probe(undefined, { maxTokens: 10 })'],
    [':plot', 'lab.plot()'],
    [':plot loss a b x=tokens', 'lab.plot("loss", { runs: ["a", "b"], x: "tokens" })'],
    [':data demo/code', 'lab.data(["demo/code"])'],
    [':save out dtype=bfloat16', 'await lab.save("out", { dtype: "bfloat16" })'],
  ])('%s is the cell %s', (line, code) => expect(cell(line)).toBe(code))

  it.each([
    [':load ~/models/a', `await lab.load(${JSON.stringify(join(homedir(), 'models/a'))})`],
    [':train recipe=~/r.yaml', `lab.train({ recipe: ${JSON.stringify(join(homedir(), 'r.yaml'))} })`],
    [':probe general=~/a.jsonl', `await lab.probe({ general: ${JSON.stringify(join(homedir(), 'a.jsonl'))} })`],
    [':generate ~/ is home', 'lab.generate("~/ is home", '],
  ])('%s begins in the home folder where it is a path', (line, code) => expect(cell(line)).toContain(code))

  it('take options out of a text that is otherwise left as it was typed', () => {
    const code = cell(":generate print('it')  maxNewTokens=3  x=1  y")
    expect(code).toContain('lab.generate("print(\'it\') x=1  y", { maxNewTokens: 3,')
    expect(cell(':generate "const x =" maxNewTokens=20')).toContain('lab.generate("const x =", { maxNewTokens: 20,')
    expect(cell(':train recipe="my recipe.yaml"')).toBe('lab.train({ recipe: "my recipe.yaml" })')
  })

  it('say what was expected, and the nearest match', () => {
    expect(() => commandOf('trian')).toThrow('Did you mean "train"?')
    expect(() => cell(':train stps=3')).toThrow(/no option "stps".*Did you mean "steps"\?/)
    expect(() => cell(':plan groups=two')).toThrow('expected a number, got "two"')
    expect(() => cell(':plan placement=interleave')).toThrow('Did you mean "interleaved"?')
    expect(() => cell(':freeze')).toThrow(':freeze needs rule')
    expect(() => cell(':gate high')).toThrow('expected a number for value, got "high"')
    expect(() => cell(':layers all')).toThrow('takes no words')
    expect(() => cell(':compare one')).toThrow(':compare needs run')
    expect(() => cell(':train schedule.knd=constant')).toThrow('Did you mean "schedule.kind"?')
    expect(() => cell(':train recipe=a.yaml precision=f32')).toThrow('either recipe= or keys of a recipe')
    const step = commandOf('step')
    expect(() => parseArguments(step, '12')).toThrow('expected 1 to 9, ladder, copy')
    expect(() => parseArguments(step, 'prof')).toThrow('Did you mean "proof"?')
    expect(stepNumber('proof')).toBe(4)
  })

  it('say which run was meant', () => {
    const names = { cwd: temporaryDirectory('no-runs'), runs: () => ['expansion', 'full'] }
    const check = (line: string) => {
      const { name, rest } = commandLineOf(line)!
      checkNames(commandOf(name), parseArguments(commandOf(name), rest), names)
    }
    expect(() => check(':plot loss expansoin')).toThrow('Did you mean "expansion"? The runs are expansion, full.')
    expect(() => check(':compare full expension')).toThrow('got "expension". Did you mean "expansion"?')
    expect(() => check(':resume ful')).toThrow('Did you mean "full"?')
    expect(() => check(':load deom')).toThrow('Did you mean "demo"?')
    for (const line of [':load demo', ':load', ':load hf://a/b', ':load full', ':load .', ':plot loss full'])
      check(line)
  })

  it('know every key of a recipe that a session does not decide, but those of lists', () => {
    const minimal = { model: '.', method: 'full', data: { sources: [{ manifest: 'x' }], seqLen: 8 }, steps: 1, seed: 1 }
    const all = Object.entries(parseRecipe(minimal)).flatMap(([key, value]) =>
      typeof value === 'object' && value !== null && !Array.isArray(value)
        ? Object.keys(value).map(inner => `${key}.${inner}`)
        : [key],
    )
    const others = 'model method train frozenWeights probes data.sources'.split(' ')
    const short = ['optimizer.lr', 'data.seqLen', 'batch.microBatch', 'batch.gradAccumSteps']
    const known = Object.keys(commandOf('train').options)
    expect(all.filter(key => ![...known, ...others, ...short].includes(key))).toEqual([])
    for (const [name, { kind, choices }] of Object.entries(recipeOptions)) {
      const typed = choices?.[0] ?? (kind === 'numbers' ? '0.9,0.95' : kind === 'number' ? '0.5' : '2')
      const fields = recipeFields(parseArguments(commandOf('train'), `${name}=${typed}`).options)
      const value = { ...minimal, ...fields, data: { ...minimal.data, ...(fields['data'] as object | undefined) } }
      expect(() => parseRecipe(value)).not.toThrow()
    }
  })

  it('take several numbers where a recipe does', () => {
    expect(cell(':train optimizer.betas=0.9,0.99')).toContain('[0.9, 0.99]')
    for (const wrong of ['0.9,', 'a,b', ''])
      expect(() => cell(`:train optimizer.betas=${wrong}`)).toThrow('expected numbers with commas between them')
  })

  it('about a run need one in the right state', () => {
    expect(() => cell(':pause')).toThrow('no run has been started')
    expect(() => cell(':pause', { ...paused, runStatus: 'done' })).toThrow('the newest run is done')
    expect(cell(':resume', paused)).toBe('lab.run!.resume()')
    expect(cell(':resume', { ...paused, runStatus: 'interrupted' })).toBe('lab.resume("runs/x")')
  })

  it('all have help whose examples are commands', () => {
    for (const { name, examples } of commands) {
      expect(helpText(name)).toContain(`:${name}`)
      for (const example of examples) {
        const line = commandLineOf(example)!
        parseArguments(commandOf(line.name), line.rest)
      }
    }
  })
})

describe('words', () => {
  it('come back from their quotes', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ minLength: 1 }), { maxLength: 6 }), texts => {
        const line = texts.map(quoteWord).join(' ')
        expect(splitWords(line).map(word => word.text)).toEqual(texts)
      }),
    )
  })
  it('a pattern or a division is no command', () => {
    expect(isCommandLine('/ab+/.test("x")')).toBe(false)
    expect(isCommandLine('/a b/.test("x")')).toBe(false)
    expect(isCommandLine('/load demo')).toBe(true)
    expect(isCommandLine('/load runs/a/model')).toBe(true)
    expect(isCommandLine(': x')).toBe(false)
  })
  it('a script is cut at its commands', () => {
    expect(scriptParts('let a = {\n b: 1\n}\n:load demo\n\na.b\n')).toEqual([
      'let a = {\n b: 1\n}',
      ':load demo',
      '\na.b\n',
    ])
  })
})

describe('completion', () => {
  const cwd = temporaryDirectory('complete')
  mkdirSync(join(cwd, 'my folder'))
  writeFileSync(join(cwd, 'my-texts.jsonl'), '')
  writeFileSync(join(cwd, '.hidden'), '')
  const names: NameSources = {
    cwd,
    runs: () => ['expansion', 'full'],
    figures: () => ['forgetting', 'loss'],
    devices: () => ['cpu'],
    datasets: () => ['demo/code'],
    layers: () => 2,
    parameters: () => ['model.embed_tokens.weight'],
    probes: () => ['general', 'code'],
  }
  const texts = (line: string) => completeCommand(line, line.length, names).candidates.map(one => one.text)

  it.each([
    [':un', [':unfreeze']],
    ['/unf', ['/unfreeze']],
    [':train st', ['steps=']],
    [':plan placement=p', ['placement=prefix']],
    [':train schedule.k', ['schedule.kind=']],
    [':train schedule.kind=co', ['schedule.kind=cosine', 'schedule.kind=constant']],
    [':plan at=', ['at=0', 'at=1', 'at=2']],
    [':plan at=1,', ['at=1,2', 'at=1,3']],
    [':step pr', ['proof']],
    [':plot f', ['forgetting']],
    [':plot loss e', ['expansion']],
    [':data m', ['"my folder/"', 'my-texts.jsonl']],
    [':data .h', ['.hidden']],
    [':freeze b', ['"block 0"', '"block 1"']],
    [':freeze model', ['model.embed_tokens.weight']],
    [':gate 0.5 ', ['0', '1']],
    [':help tra', ['train']],
    [':probe ', ['maxTokens=', 'general=', 'code=']],
    [':probe general=x g', []],
    [':probe other=d', ['other=demo/code']],
    [':nothing ', []],
  ])('%s', (line, expected) => expect(texts(line)).toEqual(expected))

  it('does not offer an option twice', () => {
    expect(texts(':plan groups=2 ')).toEqual(['copies=', 'placement=', 'at='])
  })
})
