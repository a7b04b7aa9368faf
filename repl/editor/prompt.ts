/** The prompt as a state machine: a key makes a new state and, sometimes, something for the session to do. */
import {
  type EditBuffer,
  editActions,
  emptyBuffer,
  insertNewline,
  insertText,
  moveVertically,
  replaceRange,
  typeText,
  withText,
} from './buffer.js'
import { type Completions, choose, type Menu, openMenu } from './completion-menu.js'
import {
  type HistorySearch,
  type HistoryWalk,
  refineSearch,
  searchOlder,
  startWalk,
  suggestionFor,
  walk,
  walkText,
} from './history.js'
import { actionOf, type PromptAction } from './keymap.js'
import type { Key } from './keys.js'
import { before, lineEnd, wordRight } from './positions.js'

export interface PromptState {
  readonly buffer: EditBuffer
  readonly walk: HistoryWalk | null
  readonly search: HistorySearch | null
  readonly menu: Menu | null
}

/** What the session is asked to do. `cancel` comes only when there is nothing left at the prompt to cancel. */
export type PromptEffect =
  | { kind: 'submit'; text: string }
  | { kind: 'cancelled'; text: string }
  | { kind: 'cancel' | 'leave' | 'complete' | 'clearScreen' | 'help' | 'openEditor' | 'suspend' }

/** What the prompt asks of its surroundings. */
export interface PromptWorld {
  /** What was typed before, the oldest first. */
  readonly entries: readonly string[]
  /** Shown after an empty prompt; Enter and the right arrow take it (default nothing). */
  readonly offer?: string
  /** Whether a text may run as it stands. */
  isComplete(text: string): boolean
}

export interface PromptStep {
  state: PromptState
  effect: PromptEffect | null
}

export const emptyPrompt: PromptState = { buffer: emptyBuffer, walk: null, search: null, menu: null }

/** The ghost text after the cursor: the rest of an entry that begins so. Nothing while the cursor is inside the text. */
export function suggestionOf({ buffer, menu, search }: PromptState, world: PromptWorld): string {
  if (menu || search || buffer.cursor !== buffer.text.length) return ''
  return buffer.text === '' ? (world.offer ?? '') : suggestionFor(world.entries, buffer.text)
}

function edited(state: PromptState, buffer: EditBuffer): PromptStep {
  return { state: { ...state, buffer, menu: null, walk: null, search: null }, effect: null }
}

function asked(state: PromptState, effect: PromptEffect): PromptStep {
  return { state: { ...state, menu: null }, effect }
}

/** The prompt after a submission: empty, with its kills. */
function cleared({ buffer }: PromptState): PromptState {
  return { ...emptyPrompt, buffer: withText(buffer, '') }
}

/** What a key makes of the prompt. */
export function pressKey(state: PromptState, key: Key, world: PromptWorld): PromptStep {
  if (state.search) return pressInSearch(state, state.search, key, world)
  if (key.name === 'text') return edited(state, typeText(state.buffer, key.text))
  if (key.name === 'paste') return edited(state, insertText(state.buffer, visibleText(key.text)))
  const action = actionOf(key)
  if (action === null) return { state, effect: null }
  return (state.menu ? pressInMenu(state, state.menu, action) : null) ?? perform(state, action, world)
}

/** Shows completions that were asked for, unless the text has changed since. */
export function showCompletions(state: PromptState, text: string, completions: Completions): PromptState {
  if (state.buffer.text !== text || completions.candidates.length === 0) return state
  return { ...state, ...openMenu(state.buffer, completions) }
}

/** A text from elsewhere without what a terminal would act on; tabs are two blanks, lines end with a line feed. */
export function visibleText(text: string): string {
  const plain = text.replace(/\r\n?/g, '\n').replaceAll('\t', '  ')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out
  return plain.replace(/[\u0000-\u0009\u000b-\u001f\u007f]/g, '')
}

function pressInMenu(state: PromptState, menu: Menu, action: PromptAction): PromptStep | null {
  const isNext = action === 'complete' || action === 'down'
  if (isNext || action === 'completeBack' || action === 'up')
    return { state: { ...state, ...choose(menu, isNext ? 1 : -1) }, effect: null }
  if (action === 'submit' && menu.chosen >= 0) return { state: { ...state, menu: null }, effect: null }
  if (action === 'dismiss' || action === 'cancel')
    return { state: { ...state, menu: null, buffer: menu.original }, effect: null }
  return null
}

function perform(state: PromptState, action: PromptAction, world: PromptWorld): PromptStep {
  const { buffer } = state
  if (Object.hasOwn(editActions, action)) return edited(state, editActions[action as keyof typeof editActions](buffer))
  switch (action) {
    case 'submit':
      return submit(state, world)
    case 'up':
    case 'down':
      return vertical(state, action === 'up' ? -1 : 1, world)
    case 'historyBack':
    case 'historyForth':
      return alongHistory(state, action === 'historyBack' ? -1 : 1, world)
    case 'historyOldest':
      return world.entries.length === 0 ? { state, effect: null } : toOldest(state, world)
    case 'historyNewest':
      return edited(state, withText(buffer, state.walk?.draft ?? buffer.text))
    case 'search': {
      const search = { query: '', index: -1, draft: buffer.text }
      return { state: { ...state, menu: null, search }, effect: null }
    }
    case 'acceptSuggestion':
    case 'acceptToEnd':
    case 'acceptSuggestedWord':
      return accept(state, action, world)
    case 'cancel':
      return buffer.text === ''
        ? asked(state, { kind: 'cancel' })
        : { state: cleared(state), effect: { kind: 'cancelled', text: buffer.text } }
    case 'deleteOrEnd':
      return buffer.text === '' ? asked(state, { kind: 'leave' }) : edited(state, editActions.delete(buffer))
    case 'complete':
      return complete(state)
    case 'dismiss':
    case 'completeBack':
      return { state: { ...state, menu: null }, effect: null }
    default:
      return asked(state, { kind: action as 'clearScreen' | 'help' | 'openEditor' | 'suspend' })
  }
}

/** Enter runs a text that is complete, from its last line; anything else gets a new line. */
function submit(state: PromptState, world: PromptWorld): PromptStep {
  const { text, cursor } = state.buffer
  const offer = text === '' ? (world.offer ?? '') : ''
  if (offer !== '') return { state: cleared(state), effect: { kind: 'submit', text: offer } }
  if (text.trim() === '') return { state: cleared(state), effect: { kind: 'submit', text: '' } }
  const isOnLastLine = lineEnd(text, cursor) === text.length
  // two empty lines at the end run it as it is, and say what is wrong with it
  const isForced = /\n\s*\n\s*$/.test(text) && cursor === text.length
  if (isForced || (isOnLastLine && world.isComplete(text)))
    return { state: cleared(state), effect: { kind: 'submit', text: text.trimEnd() } }
  return edited(state, insertNewline(state.buffer))
}

function vertical(state: PromptState, direction: -1 | 1, world: PromptWorld): PromptStep {
  const moved = state.walk && !state.buffer.text.includes('\n') ? null : moveVertically(state.buffer, direction)
  if (moved) return { state: { ...state, buffer: moved }, effect: null }
  return alongHistory(state, direction, world)
}

function alongHistory(state: PromptState, direction: -1 | 1, { entries }: PromptWorld): PromptStep {
  const { text, cursor } = state.buffer
  const found = walk(entries, state.walk ?? startWalk(entries, text, cursor), direction)
  if (!found) return { state, effect: null }
  return { state: { ...state, walk: found, buffer: withText(state.buffer, walkText(entries, found)) }, effect: null }
}

/** The draft stays at the other end of the walk. */
function toOldest(state: PromptState, { entries }: PromptWorld): PromptStep {
  const draft = state.walk?.draft ?? state.buffer.text
  const found = { prefix: '', draft, index: 0 }
  return { state: { ...state, walk: found, buffer: withText(state.buffer, walkText(entries, found)) }, effect: null }
}

/** What keys that take the suggestion do where there is none. */
const withoutSuggestion = {
  acceptSuggestion: 'right',
  acceptToEnd: 'lineEnd',
  acceptSuggestedWord: 'wordRight',
} as const

/** At the end of the text the suggestion, or a word of it; elsewhere the movement that the key stands for. */
function accept(state: PromptState, action: keyof typeof withoutSuggestion, world: PromptWorld): PromptStep {
  const { buffer } = state
  const suggestion = suggestionOf(state, world)
  if (suggestion === '') return edited(state, editActions[withoutSuggestion[action]](buffer))
  const whole = buffer.text + suggestion
  const end = action === 'acceptSuggestedWord' ? wordRight(whole, buffer.cursor) : whole.length
  return edited(state, replaceRange(buffer, buffer.cursor, buffer.cursor, whole.slice(buffer.cursor, end)))
}

/** Tab at the beginning of a line indents it. */
function complete(state: PromptState): PromptStep {
  const { text, cursor } = state.buffer
  const head = text.slice(text.lastIndexOf('\n', cursor - 1) + 1, cursor)
  if (head.trim() === '' && text !== '') return edited(state, insertText(state.buffer, '  '))
  return { state, effect: { kind: 'complete' } }
}

function pressInSearch(state: PromptState, search: HistorySearch, key: Key, world: PromptWorld): PromptStep {
  const { entries } = world
  const action = actionOf(key)
  const to = (next: HistorySearch): PromptStep => {
    const text = entries[next.index] ?? search.draft
    return { state: { ...state, search: next, buffer: withText(state.buffer, text) }, effect: null }
  }
  if (key.name === 'text' || key.name === 'paste')
    return to(refineSearch(entries, search, search.query + visibleText(key.text)))
  if (action === 'backspace')
    return to(refineSearch(entries, search, search.query.slice(0, before(search.query, search.query.length))))
  if (action === 'search') return to(searchOlder(entries, search))
  if (action === 'dismiss' || action === 'cancel') return edited(state, withText(state.buffer, search.draft))
  const ended = { ...state, search: null }
  return action === null ? { state: ended, effect: null } : perform(ended, action, world)
}
