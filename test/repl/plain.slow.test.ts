import { spawn } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { temporaryDirectory } from '../support/temporary.js'

const { build, root } = (await import('../../repl/setup.mjs' as string)) as { build: () => void; root: string }
const entry = pathToFileURL(join(root, 'dist', 'repl', 'main.js')).href

interface Ended {
  code: number | null
  stdout: string
  stderr: string
}

describe('the session without a terminal', () => {
  const cwd = temporaryDirectory('plain')
  beforeAll(() => build())

  function start() {
    const program = `import('${entry}').then(m => m.openRepl({ threads: 1 })).then(code => process.exit(code))`
    const child = spawn(process.execPath, ['-e', program], { cwd, env: { ...process.env, LLAMA_PRO_HISTORY: '' } })
    const output = { stdout: '', stderr: '' }
    child.stdout.on('data', (chunk: Buffer) => {
      output.stdout += chunk
    })
    child.stderr.on('data', (chunk: Buffer) => {
      output.stderr += chunk
    })
    return { child, output }
  }

  /** Runs lines from a pipe to their end. */
  function run(...lines: string[]): Promise<Ended> {
    const { child, output } = start()
    child.stdin.end(lines.map(line => `${line}\n`).join(''))
    return new Promise(resolve => child.on('close', code => resolve({ code, ...output })))
  }

  it('writes results to stdout, without a prompt, escapes or drawing', async () => {
    const { code, stdout } = await run('const x = 20', 'function f(a: number) {', '  return a + x', '}', 'f(22)')
    expect(code).toBe(0)
    expect(stdout).toBe('42\n')
  })

  it('takes the answer to a question from the next line, and a line that goes on with a complete one', async () => {
    const { code, stdout } = await run(
      'const name = await prompt("name? ")',
      'llama',
      'if (name === "x") console.log("x")',
      'else console.log(name)',
      '[1, 2]',
      '  .map(n => n * 2)',
      '  .join("+")',
    )
    expect(stdout).toBe("name? llama\n'2+4'\n")
    expect(code).toBe(0)
  })

  it('answers a program that waits for each answer before its next line', async () => {
    const { child, output } = start()
    const seen = async (text: string) => {
      while (!output.stdout.includes(text)) await new Promise(resolve => child.stdout.once('data', resolve))
    }
    child.stdin.write('1 + 1\n')
    await seen('2\n')
    child.stdin.write('function f() {\n return 20 + 2\n}\nf()\n')
    await seen('22\n')
    child.stdin.end()
    expect(await new Promise(resolve => child.on('close', resolve))).toBe(0)
  })

  it('ends at the first error with code 1', async () => {
    const { code, stdout, stderr } = await run('1 + 1', 'nothingOfThatName', '"never run"')
    expect(code).toBe(1)
    expect(stdout).toBe('2\n')
    expect(stderr).toContain("Cannot find name 'nothingOfThatName'")
    expect((await run(':lod demo')).stderr).toMatch(/no command ":lod"\. Did you mean "load"\?/)
  })

  it('has the commands of the terminal: times, scripts, variables, the doctor, the notebook', async () => {
    writeFileSync(join(cwd, 'steps.ts'), 'const fromScript = 6\n:load demo\nfromScript * lab.layers().rows.length')
    const { code, stdout, stderr } = await run(
      ':time 40 + 2',
      ':load-script steps.ts',
      ':vars',
      ':doctor',
      ':export session.ipynb',
    )
    expect(stderr).toMatch(/cells written to .*session\.ipynb/)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^42\n\d+\.\d{3} s\n/)
    expect(stdout).toMatch(/^36$/m)
    expect(stdout).toMatch(/fromScript/)
    expect(stdout).toMatch(/onnxruntime/)
    expect(existsSync(join(cwd, 'session.ipynb'))).toBe(true)
    const sources = JSON.parse(readFileSync(join(cwd, 'session.ipynb'), 'utf8')).cells.map(
      ({ source }: { source: string | string[] }) => [source].flat().join(''),
    )
    expect(sources).toContain('// :load demo\nawait lab.load("demo")')
  })

  it('tells of warnings, and how far a long download is', async () => {
    const { stderr } = await run(
      'lab.events.emit("warning", { message: "low disk" }); let far = (done: number) => lab.events.emit("progress", { label: "downloading x", done, total: 10, unit: "count" })',
      'far(1); await new Promise(resolve => setTimeout(resolve, 1100)); far(3); far(4)',
    )
    expect(stderr).toBe('warning: low disk\ndownloading x 30 %\n')
  })

  it('waits for a run that was started, and says how it went', async () => {
    const { code, stdout, stderr } = await run(
      ':load demo',
      ':expand groups=3',
      'lab.probes({})',
      // of a cell that ended long ago, in the last moment
      'lab.events.on("run", ({ run }) => void run.then(() => console.log("it is over"))); 1',
      ':train name=short steps=2 seqLen=32 microBatch=1 gradAccumSteps=1',
    )
    expect(stderr).toMatch(/short: done at step 2 of 2, 64 tokens/)
    expect(stdout).toContain('it is over')
    expect(code).toBe(0)
  })
})
