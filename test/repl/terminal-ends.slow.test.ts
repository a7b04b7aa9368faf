/** The session in a real terminal: how cells, questions, editors and the session itself come to an end. */
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { expectWhole, mainFile, terminals } from './terminals.js'
import { whyNoTmux } from './tmux.js'

async function expectGone(pid: number, timeout: number): Promise<void> {
  try {
    await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), { timeout, interval: 100 })
  } catch (error) {
    process.kill(pid, 'SIGKILL')
    throw error
  }
}

describe.skipIf(whyNoTmux !== null)(`endings in tmux${whyNoTmux ? ` (${whyNoTmux})` : ''}`, () => {
  const { cwd, shell, session } = terminals()

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

  it('in plain lines too every Ctrl-C stops what runs, and SIGTERM ends it', async () => {
    const terminal = shell()
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
    const terminal = shell()
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
    const terminal = shell()
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
})
