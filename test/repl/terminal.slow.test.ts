/** The session in a real terminal: what is typed, and what the screen shows. */
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { textWidth } from '../../repl/editor/width.js'
import { start, terminals } from './terminals.js'
import { whyNoTmux } from './tmux.js'

describe.skipIf(whyNoTmux !== null)(`the session in tmux${whyNoTmux ? ` (${whyNoTmux})` : ''}`, () => {
  const { cwd, shell, session } = terminals()

  it('takes what is typed at human speed, in one chunk with its Enter, and pasted', async () => {
    const terminal = await session()
    await terminal.typeSlowly('1 + 1')
    terminal.keys('Enter')
    await terminal.until(/Out\[1\]: 2/)
    terminal.type('let x = 20\rx + 1\r')
    await terminal.until(/Out\[3\]: 21/)
    terminal.paste('function f(a: number) {\n  return a * x\n}\nf(2)')
    const pasted = await terminal.until(/f\(2\)/)
    expect(pasted).not.toMatch(/Out\[4\]/)
    terminal.keys('Enter')
    await terminal.until(/Out\[4\]: 40/)
    terminal.keys('Up')
    expect(await terminal.until(/In \[5\]: function f/)).toMatch(/\.\.\.: f\(2\)\n/)
    terminal.keys('C-c')
    terminal.paste('let pasted = 5\n:time pasted * 5\n:vars')
    terminal.keys('Enter')
    await terminal.until(/25\n[\d.]+ s\n[\s\S]*^pasted +number +5/m)
  })

  it('what is typed before it is ready is not lost', async () => {
    const terminal = shell()
    terminal.type(`${start}\r`)
    await terminal.until(/^In \[1\]:/m)
    terminal.type('6 * 7\r')
    await terminal.until(/Out\[1\]: 42/)
  })

  it('a history that cannot be written is said once, and the session goes on', async () => {
    const terminal = await session({ env: { LLAMA_PRO_HISTORY: '/dev/null/history.jsonl' } })
    expect(await terminal.until(/In \[1\]:/)).toMatch(/Warning: the history is kept in memory only: ENOTDIR/)
    terminal.type('6 * 7\r')
    await terminal.until(/Out\[1\]: 42/)
  })

  it('shows what a cell writes that computes without a pause', async () => {
    const terminal = await session()
    terminal.type(
      'for (let i = 0; ; i++) { const end = Date.now() + 200; while (Date.now() < end); console.log("line", i) }\r',
    )
    await terminal.until(/^line 3$/m, { timeoutMs: 15_000 })
    terminal.keys('C-c')
    await terminal.until(/Interrupted/)
  })

  it('keeps every one of 10,000 lines in the scroll-back, in order', async () => {
    const terminal = await session()
    terminal.type('for (let i = 0; i < 10000; i++) console.log("line", i)\r')
    await terminal.until(/line 9999[\s\S]*In \[2\]:/)
    const lines = terminal.capture({ all: true }).match(/^line \d+$/gm)
    expect(lines).toEqual(Array.from({ length: 10_000 }, (_, i) => `line ${i}`))
  })

  it('survives resizing: nothing is doubled, nothing left over', async () => {
    const terminal = await session({ columns: 100, rows: 40 })
    terminal.type('"a".repeat(10)\r')
    await terminal.until(/Out\[1\]/)
    terminal.type('const unfinished = 1')
    await terminal.until(/In \[2\]: const unfinished = 1/)
    for (const [columns, rows] of [
      [60, 20],
      [40, 12],
      [100, 40],
      [80, 24],
    ] as const) {
      terminal.resize(columns, rows)
      // tmux has another size at once, and tells the program of it a quarter of a second later
      await new Promise(resolve => setTimeout(resolve, 500))
      await terminal.until(/In \[2\]: const unfinished = 1/)
    }
    const screen = terminal.capture()
    expect(screen.match(/In \[2\]/g)).toHaveLength(1)
    expect(screen.match(/no model yet/g)).toHaveLength(1)
  })

  it('completes, searches history, and answers ?name', async () => {
    const terminal = await session()
    terminal.type(':pl')
    terminal.keys('Tab')
    await terminal.until(/:plan +command/)
    terminal.keys('Tab')
    await terminal.until(/In \[1\]: :plan/)
    await terminal.escape()
    terminal.keys('C-c')
    terminal.type('"needle in history"\r')
    await terminal.until(/Out\[1\]/)
    terminal.keys('C-r')
    terminal.type('needle')
    await terminal.until(/search in history: needle/)
    terminal.keys('Enter')
    await terminal.until(/Out\[2\]: 'needle in history'/)
    terminal.type('?lab.plan\r')
    await terminal.until(/Plans an expansion/)
    terminal.type(':trian\r')
    await terminal.until(/no command ":trian"\. Did you mean "train"\?/)
  })

  it('knows the lines of earlier sessions', async () => {
    const env = { LLAMA_PRO_HISTORY: join(cwd, 'kept', 'history.jsonl') }
    const first = await session({ env })
    first.type('"first of all"\r')
    await first.until(/Out\[1\]/)
    first.type('"the last"\r')
    await first.until(/Out\[2\]/)
    first.keys('C-d')
    await first.until(/left with 0/)
    const second = await session({ env })
    second.keys('Up')
    await second.until(/In \[1\]: "the last"/)
    second.keys('C-c', 'C-r')
    second.type('first')
    await second.until(/In \[1\]: "first of all"[\s\S]*search in history: first/)
  })

  it('has the cursor where the terminal has it, in wide characters too', async () => {
    const terminal = await session()
    for (const text of ['日本語', 'cafe\u0301', 'ｆｕｌｌ']) {
      terminal.type(text)
      await terminal.until(new RegExp(`In \\[1\\]: ${text}`))
      const column = String('In [1]: '.length + textWidth(text))
      await vi.waitFor(() => expect(terminal.pane('cursor_x')).toBe(column), { timeout: 30_000 })
      terminal.keys('C-u')
      // the offer is back
      await terminal.until(/In \[1\]: :demo$/m)
    }
  })

  it('trains behind a prompt that stays usable, in a panel lower than the terminal', async () => {
    const terminal = await session({ env: { NO_COLOR: '1' } })
    terminal.type(':load demo\r:expand groups=3\r:verify The river ran\r')
    await terminal.until(/identical, bit for bit/, { timeoutMs: 120_000 })
    terminal.type('lab.probes({ code: "demo/code" })\r')
    terminal.type(':train steps=3000 seqLen=32 microBatch=2 probeEverySteps=3000\r')
    // a curve of the loss and one of what is forgotten
    await terminal.until(
      /● training.*\n.*\n +loss +[\d.]+ +[\u2801-\u28ff].*\n.*[\u2801-\u28ff].*\n +code +[\d.]+ +[-+]\d/,
      {
        timeoutMs: 120_000,
      },
    )
    terminal.type('40 + 2\r')
    // what is printed stays above the panel, which does not fill the terminal
    await terminal.until(/Out\[\d+\]: 42\n[\s\S]*● training/)
    for (const [columns, rows] of [
      [50, 14],
      [100, 30],
      [80, 24],
    ] as const) {
      terminal.resize(columns, rows)
      await terminal.until(/● training[\s\S]*In \[\d+\]:/)
      await sleep(300)
    }
    // the last redraw may still be on its way
    await vi.waitFor(
      () => {
        const resized = terminal.capture({ all: true })
        expect(resized.match(/Out\[\d+\]: 42/g)).toHaveLength(1)
        expect(resized.match(/● training/g)).toHaveLength(1)
      },
      { timeout: 30_000, interval: 100 },
    )
    // a key for the cell is not one for the run
    terminal.type('while (true) {}\r')
    await terminal.until(/In \[\d+\]: while/)
    await sleep(500)
    terminal.keys('C-c')
    await terminal.until(/Interrupted: [\s\S]*● training/)
    await sleep(500)
    expect(terminal.capture()).toMatch(/● training/)
    terminal.type(':pause\r')
    await terminal.until(/◌ paused/)
    terminal.keys('C-c')
    await terminal.until(/expansion: interrupted/, { timeoutMs: 60_000 })
    terminal.type(':step 3\r')
    await terminal.until(/3\/9[\s\S]*o_proj/, { timeoutMs: 60_000 })
    await terminal.escape()
    terminal.type(':export session\r')
    await terminal.until(/cells written to .*session\.ipynb/)
    expect(terminal.capture({ colors: true })).not.toContain('\u001b[3')
    terminal.keys('C-d')
    await terminal.until(/left with 0/)
  })
})
