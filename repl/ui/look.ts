/** How texts are painted on this terminal. */
import { makeStyle, type Style } from '../cli/style.js'
import type { SpanKind } from './highlight.js'

export interface Look extends Style {
  /** Text that is not there yet: faint even where there are no colours, or it would be taken for typed. */
  ghost(text: string): string
}

/** `color`: whether colours are wanted; `isDumb`: the terminal knows no escapes at all. */
export function makeLook({ color, isDumb = false }: { color: boolean; isDumb?: boolean }): Look {
  const faint = (text: string) => (text === '' || isDumb ? '' : `\u001b[2m${text}\u001b[22m`)
  return { ...makeStyle(color), ghost: faint }
}

export function paintSpan(look: Style, kind: SpanKind, text: string): string {
  switch (kind) {
    case 'keyword':
      return look.magenta(text)
    case 'string':
      return look.green(text)
    case 'number':
      return look.yellow(text)
    case 'comment':
      return look.dim(text)
    case 'command':
      return look.cyan(text)
    case 'option':
      return look.blue(text)
  }
}
