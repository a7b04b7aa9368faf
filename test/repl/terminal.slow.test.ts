import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'

import { textWidth } from '../../repl/editor/width.js'
import { temporaryDirectory } from '../support/temporary.js'
import { Tmux, type TmuxOptions, whyNoTmux } from './tmux.js'

const { build, root, mainFile } = (await import('../../repl/setup.mjs' as string)) as {
  build: () => void
  root: string
  mainFile: string
}
const entry = pathToFileURL(join(root, 'dist', 'repl', 'main.js')).href
const start = `node -e "import('${entry}').then(m => m.openRepl()).then(code => process.exit(code))"; echo "left with $?"`

describe.skipIf(whyNoTmux !== null)(`the session in tmux${whyNoTmux ? ` (${whyNoTmux})` : ''}`, () => {
  const cwd = temporaryDirectory('tmux')
  let open: Tmux[] = []
  beforeAll(() => build())
  afterEach(() => {
    for (const terminal of open) terminal.close()
    open = []
  })
  afterAll(() => rmSync(join(cwd, 'runs'), { recursive: true, force: true }))

  /** A terminal with a session that is ready. */
  async function session(options: Partial<TmuxOptions> = {}): Promise<Tmux> {
    const terminal = new Tmux({
      cwd,
      ...options,
      env: { LLAMA_PRO_HISTORY: join(cwd, 'history.jsonl'), ...options.env },
    })
    open.push(terminal)
    terminal.type(start)
    terminal.keys('Enter')
    await terminal.until(/^In \[1\]:/m)
    await terminal.until(/no model yet/)
    return terminal
  }

  /** Lines are edited by the terminal again, its cursor is seen, and pastes are not marked. */
  async function expectWhole(terminal: Tmux): Promise<void> {
    terminal.type('stty -a | grep -o " icanon"\r')
    await terminal.until(/^ *icanon$/m)
    expect(terminal.pane('cursor_flag')).toBe('1')
    terminal.paste('echo "pas""ted"')
    terminal.type('\r')
    await terminal.until(/^pasted$/m)
    expect(terminal.capture()).not.toContain('200~')
  }

  async function expectGone(pid: number, timeout: number): Promise<void> {
    try {
      await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), { timeout, interval: 100 })
    } catch (error) {
      process.kill(pid, 'SIGKILL')
      throw error
    }
  }

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
    const terminal = new Tmux({ cwd, env: { LLAMA_PRO_HISTORY: '' } })
    open.push(terminal)
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

  it('Ctrl-C cancels the line, an awaiting cell, a loop that blocks; then says how to leave', async () => {
    const terminal = await session()
    terminal.type('abc')
    terminal.keys('C-c')
    await terminal.until(/abc\^C/)
    terminal.type('await new Promise(() => {})\r')
    await terminal.until(/running await/)
    terminal.keys('C-c')
    await terminal.until(/Interrupted[\s\S]*In \[2\]:/)
    terminal.type('while (true) {}\r')
    await terminal.until(/In \[2\]: while/)
    terminal.keys('C-c')
    await terminal.until(/Interrupted[\s\S]*Interrupted[\s\S]*In \[3\]:/)
    terminal.keys('C-c')
    await terminal.until(/Ctrl-D or :quit leaves/)
    terminal.type('2 + 3\r')
    await terminal.until(/Out\[3\]: 5/)
    terminal.keys('C-d')
    await terminal.until(/left with 0/)
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

  it('in plain lines too every Ctrl-C stops what runs, and SIGTERM ends it', async () => {
    const terminal = new Tmux({ cwd, env: { LLAMA_PRO_HISTORY: '' } })
    open.push(terminal)
    terminal.type(`node ${mainFile} repl --plain; echo "left with $?"\r`)
    for (const count of [1, 2, 3]) {
      await terminal.until(new RegExp(`^In \\[${count}\\]:$`, 'm'))
      terminal.type(`console.log("cell ", ${count}); await new Promise(() => {})\r`)
      await terminal.until(new RegExp(`^cell +${count}$`, 'm'))
      terminal.keys('C-c')
    }
    await terminal.until(/^In \[4\]:$/m)
    terminal.type('while (true) {}\r')
    await terminal.until(/while/)
    // the cell is on by then
    await sleep(1000)
    terminal.keys('C-c')
    await terminal.until(/Interrupted\b[\s\S]*^In \[5\]:$/m)
    terminal.type(
      'console.log("blocks ", 5); await new Promise(resolve => setTimeout(resolve, 200)); while (true) {}\r',
    )
    await terminal.until(/^blocks +5$/m)
    await sleep(1000)
    terminal.keys('C-c')
    await terminal.until(/^In \[6\]:$/m)
    // an answer that nobody waits for any more is a line like others
    terminal.type('await prompt("name? ")\r')
    await terminal.until(/^name\?$/m)
    terminal.keys('C-c')
    await terminal.until(/^In \[7\]:$/m)
    terminal.type('6 * 7\r')
    await terminal.until(/Out\[7\]: 42/)
    terminal.type('process.kill(process.pid, "SIGTERM")\r')
    await terminal.until(/left with 143/)
  })

  it('in plain lines shows no password, and everything again when it is given or not', async () => {
    const terminal = new Tmux({ cwd, env: { LLAMA_PRO_HISTORY: '' } })
    open.push(terminal)
    terminal.type(`node ${mainFile} repl --plain\r`)
    const ask = async (count: number) => {
      await terminal.until(new RegExp(`^In \\[${count}\\]:$`, 'm'))
      terminal.type('(await prompt("secret? ", { password: true })).length\r')
      await terminal.until(/^secret\?$/m)
      await sleep(300)
    }
    await ask(1)
    terminal.type('hush-hush\r')
    await terminal.until(/^Out\[1\]: 9$/m)
    expect(terminal.capture({ all: true })).not.toContain('hush')
    terminal.type('40 + 2\r')
    await terminal.until(/In \[2\]: 40 \+ 2$[\s\S]*Out\[2\]: 42/m)
    await ask(3)
    terminal.keys('C-c')
    await terminal.until(/^In \[4\]:$/m)
    terminal.type('40 + 3\r')
    await terminal.until(/In \[4\]: 40 \+ 3$[\s\S]*Out\[4\]: 43/m)
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

  it('prompt() asks at the prompt; the terminal is whole again after a kill', async () => {
    const terminal = await session()
    expect(terminal.pane('cursor_flag')).toBe('1')
    terminal.type(`await prompt("${'long '.repeat(20)}\\nand several\\u001b[2J lines? ")\r`)
    await terminal.until(/^long long[\s\S]*long\nand several lines\?$/m)
    terminal.type('yes\r')
    await terminal.until(/Out\[1\]: 'yes'/)
    terminal.type('(await prompt("name? ")).length\r')
    await terminal.until(/^name\?/m)
    terminal.type('llama\r')
    await terminal.until(/Out\[2\]: 5/)
    terminal.type('(await Promise.all([prompt("first? "), prompt("second? ")])).join("+")\r')
    await terminal.until(/^first\?/m)
    terminal.type('a\r')
    await terminal.until(/^second\?/m)
    terminal.type('b\r')
    await terminal.until(/Out\[3\]: 'a\+b'/)
    terminal.type('process.kill(process.pid, "SIGTERM")\r')
    await terminal.until(/left with 143/)
    await expectWhole(terminal)
  })

  it('the terminal is whole again after an error of the program itself', async () => {
    const terminal = await session()
    // told by a timer of the cell, whose output the error is not
    terminal.type(
      'setInterval(() => { lab.events.emit("state", { what: "model" }); process.stdout.emit("resize") }, 200); 1\r',
    )
    await terminal.until(/Out\[1\]: 1/)
    terminal.type('Object.defineProperty(lab, "isLoaded", { get() { throw new Error("of the program") } }); 2\r')
    await terminal.until(/of the program[\s\S]*left with 1\b/)
    await expectWhole(terminal)
  })

  it('Ctrl-C ends a search, a menu, a question and a walk through the steps, and nothing else', async () => {
    const terminal = await session()
    terminal.type('const kept = 1\r')
    await terminal.until(/In \[2\]:/)
    terminal.type('draft')
    terminal.keys('C-r')
    await terminal.until(/search in history:/)
    terminal.keys('C-c')
    await terminal.until(/In \[2\]: draft\n(?![\s\S]*search in)/)
    terminal.keys('C-u')
    terminal.type('kept.to')
    terminal.keys('Tab')
    const menu = await terminal.until(/toFixed/)
    expect(menu).toMatch(/toString/)
    terminal.keys('C-c')
    await terminal.until(/In \[2\]: kept\.to\n(?![\s\S]*toFixed)/)
    terminal.keys('C-u')
    terminal.type('await prompt("name? ")\r')
    await terminal.until(/^name\?/m)
    terminal.keys('C-c')
    await terminal.until(/Interrupted/)
    terminal.type(':load demo\r')
    await terminal.until(/6 blocks/, { timeoutMs: 120_000 })
    terminal.type(':step\r')
    await terminal.until(/1\/9/)
    terminal.keys('C-c')
    await terminal.until(/In \[4\]:(?![\s\S]*1\/9)/)
    terminal.type('??kept\r')
    await terminal.until(/const kept: /)
    terminal.type('kept\r')
    await terminal.until(/Out\[4\]: 1/)
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

  it('leaves at once when Ctrl-C comes while it waits for what ends', async () => {
    const terminal = await session()
    terminal.type('lab.dispose = () => new Promise(() => {})\r')
    await terminal.until(/Out\[1\]/)
    terminal.keys('C-d')
    await terminal.until(/closing \.\.\. Ctrl-C leaves at once/)
    terminal.keys('C-c')
    await terminal.until(/left with 130/)
  })

  it('writes in $EDITOR, and goes to the shell and back', async () => {
    const editor = join(cwd, 'editor.sh')
    writeFileSync(editor, '#!/bin/sh\nprintf "const edited =\\n  40 + 2\\n" > "$1"\n', { mode: 0o755 })
    const terminal = await session({ env: { EDITOR: editor, VISUAL: '' } })
    terminal.type(':edit\r')
    await terminal.until(/In \[\d\]: const edited =\n +\.\.\.: +40 \+ 2/)
    terminal.keys('Enter')
    await terminal.until(/In \[\d\]:(?![\s\S]*In \[)/)
    terminal.type('edited\r')
    await terminal.until(/Out\[\d\]: 42/)
    terminal.keys('C-z')
    await terminal.until(/Stopped|Suspended/i)
    terminal.type('echo shell $((3 * 5))\r')
    await terminal.until(/shell 15/)
    terminal.type('fg\r')
    await terminal.until(/In \[\d\]:[^$]*$/)
    terminal.type('edited + 1\r')
    await terminal.until(/Out\[\d\]: 43/)
  })

  it('says so when the editor cannot be started', async () => {
    const terminal = await session({ env: { EDITOR: 'no-such-editor', VISUAL: '' } })
    terminal.type('const kept = 1')
    terminal.keys('F2')
    await terminal.until(/const kept = 1\n[\s\S]*cannot start the editor no-such-editor/)
    terminal.keys('C-c')
    terminal.type(':edit\r')
    await terminal.until(/In \[1\]: :edit\ncannot start the editor no-such-editor/)
    terminal.type('1 + 1\r')
    await terminal.until(/Out\[1\]: 2/)
  })

  it('a Ctrl-C in the editor is for the editor', async () => {
    const editor = join(cwd, 'slow-editor.sh')
    writeFileSync(editor, '#!/bin/sh\ntrap "echo \'3 * 7\' > $1; exit 0" INT\necho waiting\nsleep 60 & wait\n', {
      mode: 0o755,
    })
    const terminal = await session({ env: { EDITOR: editor, VISUAL: '' } })
    terminal.keys('F2')
    await terminal.until(/^waiting$/m)
    terminal.keys('C-c')
    await terminal.until(/In \[1\]: 3 \* 7/)
    terminal.keys('Enter')
    await terminal.until(/Out\[1\]: 21/)
  })

  it('a SIGTERM ends the editor too, and leaves nothing of it', async () => {
    const editor = join(cwd, 'waiting-editor.sh')
    writeFileSync(editor, '#!/bin/sh\necho "edits $PPID $$ $1"\nwhile :; do read line; done\n', { mode: 0o755 })
    const terminal = await session({ columns: 200, env: { EDITOR: editor, VISUAL: '' } })
    terminal.keys('F2')
    const screen = await terminal.until(/^edits \d+ \d+ \S+$/m)
    const [, parent, child, file] = /^edits (\d+) (\d+) (\S+)$/m.exec(screen)!
    process.kill(Number(parent), 'SIGTERM')
    await terminal.until(/left with 143/)
    await expectGone(Number(child), 5000)
    expect(existsSync(dirname(file!))).toBe(false)
    await expectWhole(terminal)
  })

  it('writes a checkpoint when the terminal goes away', async () => {
    const terminal = await session()
    terminal.type('process.pid\r:load demo\rlab.probes({})\r:train name=orphan steps=3000 seqLen=32 microBatch=1\r')
    const screen = await terminal.until(/● training orphan[^\n]* [1-9]\d*\/3000/, { timeoutMs: 120_000 })
    const pid = Number(/Out\[1\]: (\d+)/.exec(screen)![1])
    terminal.close()
    await expectGone(pid, 60_000)
    expect(readdirSync(join(cwd, 'runs', 'orphan', 'checkpoints'))).toEqual([expect.stringMatching(/^step-\d+$/)])
  })

  it('a cell that blocks ends with its terminal, and a run beside it writes a checkpoint', async () => {
    const terminal = await session()
    terminal.type('process.pid\r:load demo\rlab.probes({})\r:train name=blocked steps=3000 seqLen=32 microBatch=1\r')
    const screen = await terminal.until(/● training blocked[^\n]* [1-9]\d*\/3000/, { timeoutMs: 120_000 })
    terminal.type('while (true) {}\r')
    await terminal.until(/In \[\d+\]: while/)
    await sleep(1000)
    terminal.close()
    await expectGone(Number(/Out\[1\]: (\d+)/.exec(screen)![1]), 60_000)
    expect(readdirSync(join(cwd, 'runs', 'blocked', 'checkpoints'))).toEqual([expect.stringMatching(/^step-\d+$/)])
  })

  it.each(['', 'exec '])('a cell that blocks ends with its terminal in plain lines too (%j)', async prefix => {
    const terminal = new Tmux({ cwd, env: { LLAMA_PRO_HISTORY: '' } })
    open.push(terminal)
    terminal.type(`${prefix}node ${mainFile} repl --plain\r`)
    await terminal.until(/^In \[1\]:$/m)
    terminal.type('process.pid\r')
    const screen = await terminal.until(/Out\[1\]: \d+\n/)
    terminal.type(
      'console.log("blocks ", 2); await new Promise(resolve => setTimeout(resolve, 200)); while (true) {}\r',
    )
    await terminal.until(/^blocks +2$/m)
    await sleep(1000)
    terminal.close()
    await expectGone(Number(/Out\[1\]: (\d+)/.exec(screen)![1]), 20_000)
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
