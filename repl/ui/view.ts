/** Everything that the screen shows, as a plain value; drawing it is a pure function. */
import type { Menu } from '../editor/completion-menu.js'
import { textWidth } from '../editor/width.js'
import type { Span } from './highlight.js'
import type { Look } from './look.js'
import { promptLines } from './prompt-lines.js'
import { type NumberFormats, type RunState, runPanel } from './run-panel.js'

export interface StepView {
  /** From 1. */
  index: number
  count: number
  title: string
  lines: readonly string[]
  /** Whether there are more lines than fit. */
  isMore: boolean
}

export interface View {
  columns: number
  rows: number
  look: Look
  formats: NumberFormats | null
  prompt: { text: string; cursor: number; label: string; suggestion: string; spans: readonly Span[] }
  menu: Menu | null
  /** Signature and documentation of what the cursor is on; empty without. The menu has that of the chosen candidate. */
  about: string
  search: { query: string; isFound: boolean } | null
  run: RunState | null
  /** What the run says it is doing, until its first step. */
  phase: string
  /** The line that a cell has begun to write. */
  unfinished: string
  /** `progress`: how far it is; empty when it does not say. */
  running: { text: string; seconds: number; waiting: number; progress: string } | null
  /** What the session is: model, blocks, device. */
  session: string
  /** Said once, until the next key. */
  hint: string
  steps: StepView | null
}

const menuLines = 6
const aboutLines = 4

/**
 * All lines of a frame, and the cursor in it. The parts share the terminal's lines: the prompt first, then what helps to type,
 * then the run; each is a list of lines that fit the width.
 */
export function frameOf(view: View): { lines: string[]; cursor: { x: number; y: number } | null } {
  // one line is left free: a frame as tall as the terminal would scroll
  let room = view.rows - 1
  const take = (lines: string[]) => {
    const taken = lines.slice(0, Math.max(0, room))
    room -= taken.length
    return taken
  }
  const status = take([statusLine(view)])
  const { columns, look } = view
  const maxLines = Math.max(1, Math.min(room, view.menu ? 10 : view.rows - 6))
  const prompt = promptLines({ ...view.prompt, columns, look, maxLines })
  room -= prompt.lines.length
  const steps = take(view.steps ? stepLines(view.steps, view, room) : [])
  const menu = take(view.menu ? menuTexts(view.menu, view) : [])
  const about = take(aboutTexts(view))
  const unfinished = take(view.unfinished === '' ? [] : [cut(view.unfinished, columns - 1)])
  const panel = take(panelLines(view, room))
  const above = [...panel, ...steps, ...unfinished]
  const lines = [...above, ...prompt.lines, ...menu, ...about, ...status]
  return { lines, cursor: view.steps ? null : { x: prompt.cursor.x, y: above.length + prompt.cursor.y } }
}

/** A text with colours, cut to a number of columns. */
function cut(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text
  let width = 0
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are escape sequences
  return text.replace(/\u001b\[[\d;]*m|./gsu, part => {
    if (part.length > 2 && part.startsWith('\u001b')) return part
    width += textWidth(part)
    return width < columns ? part : width === columns ? '…' : ''
  })
}

function panelLines({ run, phase, formats, columns, rows, look, steps }: View, room: number): string[] {
  if (!run || !formats) return []
  const maxLines = Math.min(room, steps ? 1 : rows >= 30 ? 10 : 5)
  return runPanel(run, { columns, maxLines, look, formats, phase })
}

function stepLines({ index, count, title, lines, isMore }: StepView, { look, columns }: View, room: number): string[] {
  const head = `${look.bold(`${index}/${count}  ${title}`)}`
  const foot = look.dim(`← → other steps${isMore ? '   ↑ ↓ scroll' : ''}   Esc back to the prompt`)
  const body = lines.slice(0, Math.max(0, room - 2))
  return [head, ...body, foot].map(line => cut(line, columns - 1))
}

/** The candidates around the chosen one, a line each. */
function menuTexts({ candidates, chosen }: Menu, { look, columns }: View): string[] {
  const first = Math.max(0, Math.min(chosen - Math.floor(menuLines / 2), candidates.length - menuLines))
  const shown = candidates.slice(first, first + menuLines)
  const width = Math.min(40, Math.max(...shown.map(one => textWidth(one.text))))
  const lines = shown.map((one, i) => {
    const mark = first + i === chosen
    const name = one.text + ' '.repeat(Math.max(0, width - textWidth(one.text)))
    const rest = look.dim(`  ${[one.kind, one.detail].filter(part => part !== '').join('  ')}`)
    return cut(`${mark ? look.cyan('› ') : '  '}${mark ? look.bold(name) : name}${rest}`, columns - 1)
  })
  const left = candidates.length - shown.length
  return left > 0 ? [...lines, look.dim(`  … ${left} more`)] : lines
}

function aboutTexts({ about, menu, look, columns }: View): string[] {
  const text = menu?.candidates[menu.chosen]?.about ?? about
  if (text === '') return []
  const lines = text.split('\n').filter(line => line.trim() !== '')
  return lines.slice(0, aboutLines).map((line, i) => cut(i === 0 ? look.cyan(line) : look.dim(line), columns - 1))
}

function statusLine(view: View): string {
  const { look, columns, search, running, hint, session } = view
  if (search) {
    const state = search.query !== '' && !search.isFound ? look.red('  nothing found') : ''
    return cut(`${look.dim('search in history:')} ${search.query.replaceAll('\n', '↵')}${state}`, columns - 1)
  }
  if (hint !== '') return cut(look.yellow(hint), columns - 1)
  if (running) {
    const waits = running.waiting > 0 ? `, ${running.waiting} waiting` : ''
    return cut(
      look.dim(`${running.progress || `running ${running.text}`}  ${running.seconds} s${waits}   Ctrl-C stops it`),
      columns - 1,
    )
  }
  const keys = 'Tab complete  Ctrl-R search  :help'
  const gap = columns - 1 - textWidth(session) - keys.length
  return look.dim(gap > 1 ? `${session}${' '.repeat(gap)}${keys}` : cut(session, columns - 1))
}
