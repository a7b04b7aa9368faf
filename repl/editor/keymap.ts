/** What keys do at the prompt: those of Emacs, as in IPython and every shell. */
import type { EditAction } from './buffer.js'
import type { Key } from './keys.js'

export type PromptAction =
  | EditAction
  | 'submit'
  | 'up'
  | 'down'
  | 'historyBack'
  | 'historyForth'
  | 'historyOldest'
  | 'historyNewest'
  | 'search'
  | 'complete'
  | 'completeBack'
  | 'acceptSuggestion'
  | 'acceptToEnd'
  | 'acceptSuggestedWord'
  | 'cancel'
  | 'deleteOrEnd'
  | 'clearScreen'
  | 'dismiss'
  | 'help'
  | 'openEditor'
  | 'suspend'

/** Modifiers and name: `C-` control, `M-` Alt, `S-` shift. */
const bindings: Record<string, PromptAction> = {
  enter: 'submit',
  'M-enter': 'newline',
  'S-enter': 'newline',
  'C-enter': 'newline',
  'C-o': 'newline',
  up: 'up',
  down: 'down',
  'C-p': 'up',
  'C-n': 'down',
  pageup: 'historyBack',
  pagedown: 'historyForth',
  'M-p': 'historyBack',
  'M-n': 'historyForth',
  'M-<': 'historyOldest',
  'M->': 'historyNewest',
  left: 'left',
  right: 'acceptSuggestion',
  'C-b': 'left',
  'C-f': 'acceptSuggestion',
  'C-left': 'wordLeft',
  'M-left': 'wordLeft',
  'M-b': 'wordLeft',
  'C-right': 'acceptSuggestedWord',
  'M-right': 'acceptSuggestedWord',
  'M-f': 'acceptSuggestedWord',
  home: 'lineStart',
  'C-a': 'lineStart',
  end: 'acceptToEnd',
  'C-e': 'acceptToEnd',
  'C-home': 'textStart',
  'C-end': 'textEnd',
  backspace: 'backspace',
  'S-backspace': 'backspace',
  delete: 'delete',
  'C-d': 'deleteOrEnd',
  'C-k': 'killToLineEnd',
  'C-u': 'killToLineStart',
  'M-d': 'killWord',
  'C-delete': 'killWord',
  'M-backspace': 'killWordLeft',
  'C-w': 'killBlankWord',
  'C-y': 'yank',
  'M-y': 'yankOlder',
  'C-_': 'undo',
  'C-/': 'undo',
  'M-_': 'redo',
  'C-t': 'transpose',
  'C-r': 'search',
  tab: 'complete',
  'S-tab': 'completeBack',
  'C-c': 'cancel',
  'C-M-c': 'cancel',
  'C-l': 'clearScreen',
  escape: 'dismiss',
  'C-g': 'dismiss',
  f1: 'help',
  f2: 'openEditor',
  'C-z': 'suspend',
}

export function keyName({ name, ctrl, alt, shift }: Key): string {
  return `${ctrl ? 'C-' : ''}${alt ? 'M-' : ''}${shift ? 'S-' : ''}${name}`
}

/** What a key does, or null when it does nothing. */
export function actionOf(key: Key): PromptAction | null {
  return bindings[keyName(key)] ?? null
}
