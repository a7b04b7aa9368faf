/** Tells commands from TypeScript. Light: the prompt asks for every line. */

const command = /^\s*[:/]([a-z][a-z-]*)(?=\s|$)/

/** The command that a line names, and the text after the name; null for TypeScript (`/a+/.test(x)` is a pattern, not a command). */
export function commandLineOf(text: string): { name: string; rest: string; start: number } | null {
  const match = command.exec(text)
  if (!match) return null
  return { name: match[1]!, rest: text.slice(match[0].length), start: match[0].length }
}

/** Whether a line is a command, or the beginning of one. */
export function isCommandLine(text: string): boolean {
  return commandLineOf(text) !== null || /^\s*[:/][a-z-]*$/.test(text)
}
