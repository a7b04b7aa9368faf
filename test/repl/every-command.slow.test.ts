/** Every command that is a cell, run on the demo; then the notebook that the session exports, in another evaluator. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { Evaluator } from '../../kernel/evaluator/evaluator.js'
import { tableGlobals } from '../../kernel/lab-globals.js'
import { commands } from '../../repl/commands/table.js'
import { ReplSession, type SessionEvents } from '../../repl/session/repl-session.js'
import { Emitter, Lab } from '../../src/index.js'
import { temporaryDirectory } from '../support/temporary.js'

/** Lines, and what each prints. */
const lines: [string, RegExp][] = [
  [':load', /^ +5 +5 +old +trainable/m],
  [':inspect', /numHiddenLayers: 6/],
  [':layers', /total: 4,885,760/],
  [':plan groups=2', /new/],
  [':plan', /new/],
  [':expand', /^ +7 +5 +new/m],
  [':verify The river ran', /identical, bit for bit/],
  [':freeze "block 0"', /trainable/],
  [':unfreeze added', /trainable/],
  [':gate 0.5', /0\.5/],
  [':gate', /0\.5/],
  [':gate 1', /1/],
  [':data demo/code', /demo\/code/],
  ['lab.probes({ code: "demo/code" })', /code/],
  [':probe maxTokens=256', /code/],
  [':train name=first steps=3000 seqLen=32 microBatch=1 probeEverySteps=3000 schedule.kind=constant', /first/],
  [':pause', /^$/],
  [':resume', /^$/],
  [':stop', /interrupted/],
  [':resume first', /first/],
  [':stop', /interrupted/],
  [':plot loss first', /loss/],
  [':compare first first', /first/],
  [':generate The river ran maxNewTokens=4', /\S/],
  [':step proof', /identical|proof/i],
  [':save saved', /saved/],
  [':runs', /first +unfinished/],
  [':device', /cpu/i],
]

/** A run that was started has done a step, so that there is something to stop. */
async function begun({ run }: Lab): Promise<void> {
  while (run && !run.isOver && run.status !== 'paused' && run.step < 1)
    await new Promise(resolve => setTimeout(resolve, 20))
}

it('does what it says, and does it again from the notebook', async () => {
  const cwd = temporaryDirectory('every-command')
  const events = new Emitter<SessionEvents>()
  let printed: string[] = []
  events.on('print', ({ kind, text }) => {
    if (kind !== 'input') printed.push(text)
  })
  const session = await ReplSession.open({
    cwd,
    events,
    threads: 1,
    canWalk: false,
    size: () => ({ columns: 100, rows: 30, color: false }),
    doctor: async () => '',
  })
  for (const [line, expected] of lines) {
    printed = []
    expect(await session.submit(line), `${line}\n${printed.join('\n')}`).toBe(true)
    expect(printed.join('\n'), line).toMatch(expected)
    await begun(session.lab)
  }
  const used = new Set(lines.map(([line]) => /^:([a-z-]+)/.exec(line)?.[1]))
  expect(commands.filter(one => 'toCell' in one && !used.has(one.name)).map(one => one.name)).toEqual([])
  await session.submit(':export all')
  await session.dispose()

  const { cells } = JSON.parse(readFileSync(join(cwd, 'all.ipynb'), 'utf8')) as { cells: { source: string[] }[] }
  expect(cells).toHaveLength(lines.length)
  const again = temporaryDirectory('every-command-again')
  const lab = new Lab({ cwd: again, threads: 1 })
  const prelude = `declare const lab: import('llama-pro-lab').Lab`
  const evaluator = await Evaluator.start({ cwd: again, prelude, globals: { lab }, library: tableGlobals })
  try {
    for (const { source } of cells) {
      const code = source.join('')
      const result = await evaluator.run(code, { onOutput: () => {} })
      await begun(lab)
      expect(result.status, `${code}\n${result.status === 'error' ? result.error.traceback.join('\n') : ''}`).toBe('ok')
    }
    expect(lab.runs().map(run => run.name)).toEqual(['first'])
  } finally {
    await evaluator.dispose()
    await lab.dispose()
  }
})
