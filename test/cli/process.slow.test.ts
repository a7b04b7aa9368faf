import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkpointSteps, type ProbeRecord, type RunResult, readMetrics } from '../../src/index.js'
import { repositoryRoot } from '../support/shared.js'
import { temporaryDirectory } from '../support/temporary.js'
import { writeTinyWorld } from './tiny-run.js'

const dir = temporaryDirectory('cli-process')
const { build, mainFile } = (await import('../../repl/setup.mjs' as string)) as { build: () => void; mainFile: string }

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

/** Starts the built command as a process of its own. */
function start(...argv: string[]): { child: ChildProcess; ended: Promise<Ended> } {
  const env = { ...process.env, NO_COLOR: '1' }
  const child = spawn(process.execPath, [mainFile, ...argv], { cwd: dir, env })
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) child[name]!.on('data', chunk => (texts[name] += chunk))
  const ended = new Promise<Ended>(resolve => child.on('close', code => resolve({ code, ...texts })))
  return { child, ended }
}

const run = (...argv: string[]) => start(...argv).ended

beforeAll(async () => {
  build()
  await writeTinyWorld(dir)
  await writeTinyWorld(join(dir, 'long'), { steps: 400, probeEverySteps: 400, checkpointEverySteps: 1000 })
})

describe('train', () => {
  test('plain lines without a terminal, then the table', async () => {
    const { code, stdout, stderr } = await run('train', 'expansion.yaml', '--out', 'run')
    expect(stderr).toBe('')
    expect(code).toBe(0)
    for (const part of ['Engine', 'Recipe', 'Blocks', 'Trainable', 'Memory', 'Done', 'Held-out text'])
      expect(stdout).toMatch(new RegExp(`^${part}$`, 'm'))
    expect(stdout).toMatch(/^step 6\/6 {2}loss \d+\.\d{3} {2}[\d,]+ tokens\/s$/m)
    expect(stdout).toMatch(/^probe 6\/6 {2}held-out {2}\d\.\d{3} bits\/byte {2}[-+]/m)
    expect(stdout).not.toContain('\u001b')
  })

  test('JSON: one document, everything else on stderr', async () => {
    const { code, stdout, stderr } = await run('train', 'full.yaml', '--out', 'json-run', '--json')
    expect(code).toBe(0)
    const result = JSON.parse(stdout) as RunResult
    expect(result).toMatchObject({ status: 'done', step: 6, steps: 6 })
    expect(result.probes.map(({ probe }) => probe)).toEqual(['held-out'])
    expect(stderr).toContain('step 6/6')
  })

  test('Ctrl-C writes a checkpoint and leaves with 130; --resume goes on to the losses of an unbroken run', async () => {
    const recipe = join('long', 'expansion.yaml')
    const { child, ended } = start('train', recipe, '--out', 'stopped')
    child.stdout!.on('data', text => /^step /m.test(String(text)) && child.kill('SIGINT'))
    const stopped = await ended
    expect(stopped.code).toBe(130)
    expect(stopped.stdout).toContain('the checkpoint is written')
    expect(existsSync(join(dir, 'stopped', 'model'))).toBe(false)
    expect((await run('train', recipe, '--out', 'stopped', '--resume')).code).toBe(0)
    expect((await run('train', recipe, '--out', 'unbroken')).code).toBe(0)
    const losses = (name: string) =>
      readMetrics(join(dir, name, 'metrics.jsonl')).flatMap(record =>
        record.kind === 'train' ? [record.lossNats] : [],
      )
    expect(losses('stopped')).toEqual(losses('unbroken'))
    expect(losses('stopped')).toHaveLength(400)
  })

  test('when nobody reads its output any more it writes a checkpoint and leaves with 130', async () => {
    const { child, ended } = start('train', join('long', 'expansion.yaml'), '--out', 'unread')
    child.stdout!.on('data', text => /^step /m.test(String(text)) && child.stdout!.destroy())
    const { code, stderr } = await ended
    expect(code).toBe(130)
    expect(stderr).toBe('stopping; press Ctrl-C again to stop at once\n')
    const [step] = checkpointSteps(join(dir, 'unread'))
    expect(step).toBeGreaterThan(0)
    expect(step).toBeLessThan(400)
  })

  test('a second Ctrl-C ends at once', async () => {
    const { child, ended } = start('train', join('long', 'expansion.yaml'), '--out', 'killed')
    child.stdout!.once('data', () => {
      child.kill('SIGINT')
      child.kill('SIGINT')
    })
    expect((await ended).code).toBe(130)
  })

  test('a run that is there is not overwritten', async () => {
    const { code, stderr } = await run('train', 'expansion.yaml', '--out', 'run')
    expect(code).toBe(1)
    expect(stderr).toContain('--resume')
  })
})

describe('what a run leaves', () => {
  const model = join('run', 'model')

  test('eval, generate and plot take it', async () => {
    const scores = JSON.parse((await run('eval', model, '--probe', 'held-out=data/held-out.yaml', '--json')).stdout)
    const last = readMetrics(join(dir, 'run', 'metrics.jsonl'))
      .filter(record => record.kind === 'probe')
      .at(-1)!
    expect(scores.probes[0]).toMatchObject({ probe: last.probe, tokensScored: expect.any(Number) })
    const text = await run('generate', model, 'The river', '--max-new-tokens', '8')
    expect(text).toMatchObject({ code: 0, stderr: '' })
    expect(text.stdout.endsWith('\n')).toBe(true)
    expect((await run('plot', 'run', '--out')).code).toBe(0)
    expect(readFileSync(join(dir, 'run', 'forgetting.svg'), 'utf8')).toContain('held-out')
  })
})

/** A recipe of the demo with fewer steps and shorter measurements; the shipped ones run in test/repl/story. */
function shortRecipe(name: string): string {
  const folder = join(repositoryRoot, 'datasets')
  const recipe = readFileSync(join(folder, 'recipes', `${name}.yaml`), 'utf8')
  const path = join(dir, `${name}-short.yaml`)
  const short = recipe
    .replaceAll('../demo/', `${join(folder, 'demo')}/`)
    .replace(/^steps: 40/m, 'steps: 8')
    .replaceAll('maxTokens: 4096', 'maxTokens: 1024')
  writeFileSync(path, short)
  return path
}

describe('the demo', () => {
  let ended: Ended
  let child: ChildProcess
  // no claim about speed, which depends on the machine: a limit beyond which something must be wrong
  beforeAll(async () => {
    const demo = start('demo', '--recipe', shortRecipe('demo'), '--full-recipe', shortRecipe('demo-full'))
    child = demo.child
    ended = await demo.ended
  }, 900_000)
  // one that has not ended in time
  afterAll(() => child.kill('SIGKILL'))

  test('does the whole method', () => {
    const { code, stdout, stderr } = ended
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(stdout.match(/^\d {2}\S/gm)).toHaveLength(6)
    expect(stdout).toMatch(/^identical$/m)
    expect(stdout).toMatch(/[\u2801-\u28ff]/)
    for (const file of ['forgetting.svg', 'forgetting.html', join('expanded', 'config.json'), join('full', 'model')])
      expect(existsSync(join(dir, 'runs', 'demo', file))).toBe(true)
  })

  test('says how both runs have changed the loss', () => {
    for (const name of ['expansion', 'full']) {
      const records = readMetrics(join(dir, 'runs', 'demo', name, 'metrics.jsonl'))
      const { bitsPerByte } = records.filter(r => r.kind === 'probe' && r.probe === 'code').at(-1) as ProbeRecord
      expect(ended.stdout).toContain(bitsPerByte.toFixed(3))
    }
    expect(ended.stdout).toContain('Full fine-tuning lost')
  })
})

test('whoever stops reading ends the command quietly', async () => {
  const { child, ended } = start('plot', '--help')
  child.stdout!.destroy()
  const { code, stderr } = await ended
  expect(stderr).toBe('')
  expect(code).toBe(0)
})

test('a script whose output nobody reads ends too, with options as without', async () => {
  const { child, ended } = start('repl', '--device', 'cpu')
  child.stdout!.once('data', () => child.stdout!.destroy())
  const pause = 'await new Promise(resolve => setTimeout(resolve, 500))'
  child.stdin!.end(`console.log(1)\n${`${pause}; console.log(2)\n`.repeat(5)}console.error("unread")\n`)
  const { code, stderr } = await ended
  expect(stderr).not.toContain('unread')
  expect(code).toBe(143)
})

test('npm start sets up and passes arguments on', async () => {
  const child = spawn(process.execPath, [join(repositoryRoot, 'repl', 'start.mjs'), '--version'], { cwd: dir })
  let stdout = ''
  child.stdout.on('data', text => (stdout += text))
  await new Promise(resolve => child.on('close', resolve))
  expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
})
