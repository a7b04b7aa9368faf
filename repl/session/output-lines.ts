/** What a program writes, as the lines of a terminal that only grows. */

// biome-ignore-start lint/suspicious/noControlCharactersInRegex: these are what is taken out
const notColor = /\u001b(?:\[[0-9;:<=>?]*[ -/]*(?!m)[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[@-Z\\^_])/g
const controls = /[\u0000-\u0008\u000b\u000c\u000e-\u001a\u001c-\u001f\u007f]/g
// biome-ignore-end lint/suspicious/noControlCharactersInRegex: these are what is taken out

/** Most characters of an unfinished line that are kept for later. */
const maxUnfinished = 1 << 16

/** A text without what moves the cursor or clears the screen; colours stay, tabs are four blanks. */
export function printableLine(text: string): string {
  return text.replace(notColor, '').replace(controls, '').replaceAll('\t', '    ')
}

/** What is seen of a line in which the cursor went back to the beginning (progress bars). */
function afterReturns(line: string): string {
  const at = line.replace(/\r+$/, '').lastIndexOf('\r')
  return line.replace(/\r+$/, '').slice(at + 1)
}

/** Cuts a stream into lines; what is not finished waits. */
export class OutputLines {
  #unfinished = ''

  /** The line that is not finished. */
  get unfinished(): string {
    return printableLine(afterReturns(this.#unfinished))
  }

  /** The lines that a piece of text finishes. */
  push(text: string): string[] {
    const parts = (this.#unfinished + text).split('\n')
    const rest = parts.pop()!
    this.#unfinished = rest.length > maxUnfinished ? rest.slice(-maxUnfinished) : rest
    return parts.map(line => printableLine(afterReturns(line)))
  }

  /** Ends the stream: the last line, when there is one. */
  end(): string[] {
    const last = this.unfinished
    this.#unfinished = ''
    return last === '' ? [] : [last]
  }
}
