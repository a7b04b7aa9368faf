import { describe, expect, test } from 'vitest'
import packageJson from '../../package.json' with { type: 'json' }
import { failureOf } from '../../repl/cli/exit.js'
import { exitCodes } from '../../repl/cli/exit-codes.js'
import { LabError } from '../../src/index.js'
import { cli, cliJson, cliWith } from './harness.js'

const commands = [
  'inspect',
  'expand',
  'verify',
  'train',
  'compare',
  'eval',
  'generate',
  'plot',
  'repl',
  'serve',
  'kernel',
  'doctor',
]

describe('help', () => {
  test.each(commands)('%s --help shows usage, options and examples', async name => {
    const { code, stdout, stderr } = await cli(name, '--help')
    expect(code).toBe(0)
    expect(stdout).toContain(`Usage: llama-pro ${name}`)
    expect(stdout).toContain('Examples:')
    expect(stdout).toContain('--json')
    expect(stderr).toBe('')
  })

  test('the commands are these, in the order of the work', async () => {
    const { stdout } = await cli('--help')
    const listed = stdout
      .split(/Commands:|Environment:/)[1]!
      .match(/^ {2}(\w+)/gm)!
      .map(line => line.trim())
    expect(listed).toEqual([...commands, 'help'])
  })

  test('no help tells of --json twice', async () => {
    for (const argv of [['--help'], ['expand', '--help']])
      expect((await cli(...argv)).stdout.match(/^ +--json/gm), argv[0]).toHaveLength(1)
  })

  test('nothing asked for is a question for help', async () => {
    expect(await cli()).toEqual(await cli('--help'))
  })

  test('options of every command are frozen', async () => {
    const options = async (name: string) =>
      (await cli(name, '--help')).stdout.match(/^ {2}(?:-\w, )?--[\w-]+/gm)!.map(o => o.trim())
    const all = Object.fromEntries(await Promise.all(commands.map(async name => [name, await options(name)] as const)))
    expect(all).toMatchInlineSnapshot(`
      {
        "compare": [
          "--methods",
          "--out",
          "--resume",
          "--device",
          "--threads",
          "--precision",
          "--torch-eager",
          "--memory",
          "--tensorboard",
          "-h, --help",
          "--json",
        ],
        "doctor": [
          "-h, --help",
          "--json",
        ],
        "eval": [
          "--probe",
          "--max-tokens",
          "--seq-len",
          "--device",
          "--threads",
          "--precision",
          "--torch-eager",
          "-h, --help",
          "--json",
        ],
        "expand": [
          "--groups",
          "--copies",
          "--placement",
          "--at",
          "--overwrite",
          "--keep-earlier",
          "--max-shard-bytes",
          "-h, --help",
          "--json",
        ],
        "generate": [
          "--max-new-tokens",
          "--temperature",
          "--top-k",
          "--top-p",
          "--seed",
          "--device",
          "--threads",
          "--precision",
          "--torch-eager",
          "-h, --help",
          "--json",
        ],
        "inspect": [
          "-h, --help",
          "--json",
        ],
        "kernel": [
          "-h, --help",
          "--json",
        ],
        "plot": [
          "--out",
          "--figure",
          "--x",
          "--unit",
          "-h, --help",
          "--json",
        ],
        "repl": [
          "--plain",
          "--device",
          "-h, --help",
          "--json",
        ],
        "serve": [
          "--port",
          "--open",
          "-h, --help",
          "--json",
        ],
        "train": [
          "--out",
          "--resume",
          "--device",
          "--threads",
          "--precision",
          "--torch-eager",
          "--memory",
          "--tensorboard",
          "-h, --help",
          "--json",
        ],
        "verify": [
          "--prompt",
          "--device",
          "--threads",
          "--precision",
          "--torch-eager",
          "-h, --help",
          "--json",
        ],
      }
    `)
  })

  test('--version', async () => {
    expect(await cli('--version')).toEqual({ code: 0, stdout: `${packageJson.version}\n`, stderr: '' })
  })

  test('--json --help is one document too', async () => {
    const { value, stderr } = await cliJson('expand', '--help')
    expect(value['text']).toContain('Usage: llama-pro expand')
    expect(stderr).toBe('')
  })
})

describe('mistakes', () => {
  test.each([
    [['expnd'], 'Did you mean expand?'],
    [['help', 'expnd'], 'Did you mean "expand"?'],
    [['kernel'], 'expected one of install, uninstall after kernel'],
    [['kernel', 'instal'], 'Did you mean install?'],
    [['verify', 'a', 'b', '--device', 'cpuu'], 'Did you mean "cpu"?'],
    [['expand', 'a', 'b', '--grops', '3'], 'Did you mean --groups?'],
    [['train', 'r.yaml', '--out', 'x', '--resum'], 'Did you mean --resume?'],
    [['plot', 'x', '--figure', 'forgeting'], 'Did you mean "forgetting"?'],
    [['plot', 'x', '--out', 'x.svgg'], 'Did you mean ".svg"?'],
    [['verify', 'a'], "missing required argument 'expanded'"],
    [['train', 'r.yaml'], "required option '--out <run>' not specified"],
    [['inspect', 'a', 'b'], 'too many arguments'],
    [['expand', 'a', 'b'], 'expected either --groups N or --at I,J,...'],
    [['expand', 'a', 'b', '--groups', '2', '--at', '3'], 'expected either --groups N or --at I,J,...'],
    [['expand', 'a', 'b', '--groups', '0'], 'Expected a whole number of 1 or more'],
    [['expand', 'a', 'b', '--at', '3,x'], 'Expected block indices'],
    [['expand', 'a', 'b', '--groups', '2', '--max-shard-bytes', '5 apples'], 'Expected a number of bytes'],
    [['eval', 'm', '--probe', 'general'], 'Expected NAME=PATH'],
    [['eval', 'm', '--probe', 'a=1', 'a=2'], 'occurs twice'],
    [['generate', 'm', 'x', '--top-p', '1.5'], 'Expected a number above 0 and at most 1'],
    [['generate', 'm', 'x', '--top-p', '0'], 'Expected a number above 0 and at most 1'],
    [['train', 'x', '--out', 'y', '--memory', 'much'], 'Expected a number of bytes'],
  ])('%j: exit code 2 and the reason', async (argv, reason) => {
    const { code, stdout, stderr } = await cli(...argv)
    expect(stderr).toContain(reason)
    expect(stderr).toMatch(/^error: .*\n(.*\n)*See llama-pro .*--help\n$/)
    expect(code).toBe(2)
    expect(stdout).toBe('')
  })

  test('in JSON they are one document on stdout, with the same exit code', async () => {
    const { code, value, stderr } = await cliJson('expand', 'a', 'b', '--grops', '3')
    expect(value).toEqual({ error: { code: 'USAGE', message: "unknown option '--grops'. Did you mean --groups?" } })
    expect(code).toBe(2)
    expect(stderr).toBe('')
  })

  test.each(['https://huggingface.co/owner/name', 'HF://owner/name'])(
    '%s: the address to write instead',
    async where => {
      const { code, stderr } = await cli('inspect', where)
      expect(stderr).toContain('hf://owner/name')
      expect(code).toBe(2)
    },
  )

  test('an error of the lab has its code, no stack, and exit code 1', async () => {
    const { code, value } = await cliJson<{ error: Record<string, string> }>('inspect', '/no/such/model')
    expect(value.error).toEqual({ code: 'CHECKPOINT_CONFIG', message: expect.stringContaining('/no/such/model') })
    expect(code).toBe(1)
    expect((await cli('inspect', '/no/such/model')).stderr).not.toContain('    at ')
  })

  test('LLAMA_PRO_DEBUG shows where it came from', async () => {
    const { stderr } = await cliWith({ env: { LLAMA_PRO_DEBUG: '1' } }, 'inspect', '/no/such/model')
    expect(stderr).toContain('    at ')
  })

  test('after -- nothing is an option', async () => {
    const { stderr } = await cli('inspect', '--', '--json')
    expect(stderr).toContain('--json is not a directory')
  })
})

describe('failureOf', () => {
  const signal = new AbortController().signal
  const stopped = AbortSignal.abort()

  test('an error that nobody foresaw shows its stack', () => {
    const failure = failureOf(new TypeError('x is not a function'), { env: {}, signal })
    expect(failure).toMatchObject({ exitCode: exitCodes.failed, code: 'UNEXPECTED', message: 'x is not a function' })
    expect(failure.stack).toContain('    at ')
  })

  test('a refusal of the system has its code and no stack', () => {
    const refusal = Object.assign(new Error('ENOSPC: no space left on device, write'), {
      code: 'ENOSPC',
      syscall: 'write',
    })
    expect(failureOf(refusal, { env: {}, signal })).toMatchObject({ exitCode: 1, code: 'ENOSPC', stack: null })
    expect(failureOf(refusal, { env: { LLAMA_PRO_DEBUG: '1' }, signal }).stack).toContain('    at ')
  })

  const questions = [
    'RECIPE',
    'EXPANSION_PLAN',
    'DEVICE',
    'FREEZE_DEAD',
    'PRECISION',
    'FROZEN_WEIGHTS',
    'CONTEXT',
    'MANIFEST',
  ]
  test.each(questions)('%s is a wrong question: 2', code => {
    expect(failureOf(new LabError(code, 'no'), { env: {}, signal }).exitCode).toBe(exitCodes.usage)
  })

  test('what stops on request is an interruption: 130', () => {
    for (const error of [stopped.reason, new LabError('ABORTED', 'stopped')])
      expect(failureOf(error, { env: {}, signal: stopped })).toMatchObject({ exitCode: 130, code: 'INTERRUPTED' })
  })

  test('a fault while stopping stays a fault', () => {
    const failure = failureOf(new LabError('CHECKPOINT_WRITE', 'disk full'), { env: {}, signal: stopped })
    expect(failure).toMatchObject({ exitCode: 1, code: 'CHECKPOINT_WRITE' })
  })
})

describe('colour', () => {
  const red = '\u001b[31m'
  const inspect = (env: Record<string, string>, columns?: number) =>
    cliWith({ env, ...(columns && { columns }) }, 'doctor', '--help').then(({ stdout }) => stdout)

  test('a pipe gets none', async () => {
    expect(await inspect({})).not.toContain('\u001b[')
  })

  test('NO_COLOR wins over FORCE_COLOR', async () => {
    const { stderr: forced } = await cliWith({ env: { FORCE_COLOR: '1' } }, 'inspect', '/no/such/model')
    expect(forced).toContain(red)
    const { stderr: plain } = await cliWith({ env: { FORCE_COLOR: '1', NO_COLOR: '1' } }, 'inspect', '/no/such/model')
    expect(plain).not.toContain('\u001b[')
  })
})
