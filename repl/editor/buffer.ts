/** The text that is being typed: a plain value, and what every editing action makes of it. */
import { after, before, columnOf, lineEnd, lineStart, verticalPlace, wordLeft, wordRight } from './positions.js'

interface Snapshot {
  readonly text: string
  readonly cursor: number
}

export interface EditBuffer extends Snapshot {
  /** Column of the screen that up and down keep to. */
  readonly column: number | null
  readonly undo: readonly Snapshot[]
  readonly redo: readonly Snapshot[]
  /** Killed texts, the newest last. */
  readonly kills: readonly string[]
  /** What the last action was: actions of one kind in a row are undone together, kills in a row are one. */
  readonly last: 'type' | 'kill' | 'yank' | 'other'
  /** The text that the last yank brought in. */
  readonly yanked: { start: number; end: number; index: number } | null
}

/** Steps that can be undone, and kills that are kept. */
const maxUndo = 500
const maxKills = 50

export const emptyBuffer: EditBuffer = {
  text: '',
  cursor: 0,
  column: null,
  undo: [],
  redo: [],
  kills: [],
  last: 'other',
  yanked: null,
}

/** A buffer with another text, the cursor at its end; kills are kept, what could be undone is not. */
export function withText(buffer: EditBuffer, text: string, cursor = text.length): EditBuffer {
  return { ...emptyBuffer, kills: buffer.kills, text, cursor }
}

/** Replaces a part of the text and puts the cursor after what came in. */
export function replaceRange(buffer: EditBuffer, start: number, end: number, text: string): EditBuffer {
  const { text: old, cursor, undo } = buffer
  return {
    ...buffer,
    text: old.slice(0, start) + text + old.slice(end),
    cursor: start + text.length,
    column: null,
    undo: [...undo.slice(1 - maxUndo), { text: old, cursor }],
    redo: [],
    last: 'other',
    yanked: null,
  }
}

/** Types a text at the cursor. Characters typed in a row are undone word by word. */
export function insertText(buffer: EditBuffer, text: string): EditBuffer {
  const isSameWord = buffer.last === 'type' && !/\s/.test(text) && buffer.undo.length > 0
  const next = replaceRange(buffer, buffer.cursor, buffer.cursor, text)
  return { ...next, undo: isSameWord ? buffer.undo : next.undo, last: 'type' }
}

/** A typed closing bracket that is the first of its line moves two columns to the left. */
export function typeText(buffer: EditBuffer, text: string): EditBuffer {
  const start = lineStart(buffer.text, buffer.cursor)
  const lead = buffer.text.slice(start, buffer.cursor)
  if (!/^[}\])]$/.test(text) || !/^ {2,}$/.test(lead)) return insertText(buffer, text)
  return replaceRange(buffer, buffer.cursor - 2, buffer.cursor, text)
}

/** A new line that is indented as the one before, and deeper after an opening bracket. */
export function insertNewline(buffer: EditBuffer): EditBuffer {
  const { text, cursor } = buffer
  const line = text.slice(lineStart(text, cursor), cursor)
  const indent = /^ */.exec(line)![0]
  const isOpen = /[{[(]\s*$/.test(line)
  const isClosedAfter = isOpen && /^[}\])]/.test(text.slice(cursor))
  const next = replaceRange(
    buffer,
    cursor,
    cursor,
    `\n${indent}${isOpen ? '  ' : ''}${isClosedAfter ? `\n${indent}` : ''}`,
  )
  return isClosedAfter ? { ...next, cursor: next.cursor - indent.length - 1 } : next
}

function moveTo(buffer: EditBuffer, cursor: number): EditBuffer {
  return { ...buffer, cursor, column: null, last: 'other', yanked: null }
}

/** One line up or down; null at the first or last line. */
export function moveVertically(buffer: EditBuffer, direction: -1 | 1): EditBuffer | null {
  const column = buffer.column ?? columnOf(buffer.text, buffer.cursor)
  const cursor = verticalPlace(buffer.text, buffer.cursor, direction, column)
  return cursor === null ? null : { ...moveTo(buffer, cursor), column }
}

function kill(buffer: EditBuffer, start: number, end: number): EditBuffer {
  if (start === end) return { ...buffer, last: 'other', yanked: null }
  const killed = buffer.text.slice(start, end)
  const newest = buffer.kills.at(-1)
  const isForward = start === buffer.cursor
  const kills =
    buffer.last === 'kill' && newest !== undefined
      ? [...buffer.kills.slice(0, -1), isForward ? newest + killed : killed + newest]
      : [...buffer.kills.slice(1 - maxKills), killed]
  return { ...replaceRange(buffer, start, end, ''), kills, last: 'kill' }
}

function yank(buffer: EditBuffer): EditBuffer {
  const index = buffer.kills.length - 1
  const killed = buffer.kills[index]
  if (killed === undefined) return buffer
  const next = replaceRange(buffer, buffer.cursor, buffer.cursor, killed)
  return { ...next, last: 'yank', yanked: { start: buffer.cursor, end: next.cursor, index } }
}

/** Replaces what was just yanked by the kill before it. */
function yankOlder(buffer: EditBuffer): EditBuffer {
  const { yanked, kills } = buffer
  if (buffer.last !== 'yank' || !yanked) return buffer
  const index = (yanked.index - 1 + kills.length) % kills.length
  const next = replaceRange(buffer, yanked.start, yanked.end, kills[index]!)
  return { ...next, last: 'yank', yanked: { start: yanked.start, end: next.cursor, index } }
}

function undo(buffer: EditBuffer): EditBuffer {
  const back = buffer.undo.at(-1)
  if (!back) return buffer
  const redo = [...buffer.redo, { text: buffer.text, cursor: buffer.cursor }]
  return { ...moveTo(buffer, back.cursor), text: back.text, undo: buffer.undo.slice(0, -1), redo }
}

function redo(buffer: EditBuffer): EditBuffer {
  const forth = buffer.redo.at(-1)
  if (!forth) return buffer
  const undone = [...buffer.undo, { text: buffer.text, cursor: buffer.cursor }]
  return { ...moveTo(buffer, forth.cursor), text: forth.text, redo: buffer.redo.slice(0, -1), undo: undone }
}

/** Exchanges the characters around the cursor, at the end of a line the two before it. */
function transpose(buffer: EditBuffer): EditBuffer {
  const { text, cursor } = buffer
  const middle = cursor === lineEnd(text, cursor) ? before(text, cursor) : cursor
  const start = before(text, middle)
  if (middle <= lineStart(text, cursor) || start === middle) return buffer
  const end = after(text, middle)
  return replaceRange(buffer, start, end, text.slice(middle, end) + text.slice(start, middle))
}

/** To the end of the line; at the end, the line break. */
function killToLineEnd(buffer: EditBuffer): EditBuffer {
  const end = lineEnd(buffer.text, buffer.cursor)
  return kill(buffer, buffer.cursor, end === buffer.cursor ? Math.min(end + 1, buffer.text.length) : end)
}

/** To the last blank on the left, as a shell does it. */
function killBlankWord(buffer: EditBuffer): EditBuffer {
  const head = buffer.text.slice(0, buffer.cursor)
  return kill(buffer, /\S*\s*$/.exec(head)!.index, buffer.cursor)
}

/** Every action that needs no more than the buffer. */
export const editActions = {
  left: b => moveTo(b, before(b.text, b.cursor)),
  right: b => moveTo(b, after(b.text, b.cursor)),
  wordLeft: b => moveTo(b, wordLeft(b.text, b.cursor)),
  wordRight: b => moveTo(b, wordRight(b.text, b.cursor)),
  lineStart: b => moveTo(b, lineStart(b.text, b.cursor)),
  lineEnd: b => moveTo(b, lineEnd(b.text, b.cursor)),
  textStart: b => moveTo(b, 0),
  textEnd: b => moveTo(b, b.text.length),
  newline: insertNewline,
  backspace: b => (b.cursor === 0 ? b : replaceRange(b, before(b.text, b.cursor), b.cursor, '')),
  delete: b => {
    const end = after(b.text, b.cursor)
    return end === b.cursor ? b : replaceRange(b, b.cursor, end, '')
  },
  killToLineEnd,
  killToLineStart: b => kill(b, lineStart(b.text, b.cursor), b.cursor),
  killWord: b => kill(b, b.cursor, wordRight(b.text, b.cursor)),
  killWordLeft: b => kill(b, wordLeft(b.text, b.cursor), b.cursor),
  killBlankWord,
  yank,
  yankOlder,
  undo,
  redo,
  transpose,
} satisfies Record<string, (buffer: EditBuffer) => EditBuffer>

export type EditAction = keyof typeof editActions
