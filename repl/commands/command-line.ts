/** Tells commands from TypeScript. Light: the prompt asks for every line. */

const command = /^\s*[:/]([a-z][a-z-]*)(?=\s|$)/

/** `/a b/.test(`: a pattern, the method of which is called. */
const pattern = /^\s*\/[^/]+\/[dgimsuvy]*\s*\.\w+\(/

/** The command that a line names, and the text after the name; null for TypeScript (`/a+/.test(x)` is a pattern, not a command). */
export function commandLineOf(text: string): { name: string; rest: string; start: number } | null {
  const match = command.exec(text)
  if (!match || pattern.test(text)) return null
  return { name: match[1]!, rest: text.slice(match[0].length), start: match[0].length }
}

/** Whether a line is a command, or the beginning of one. */
export function isCommandLine(text: string): boolean {
  return commandLineOf(text) !== null || /^\s*[:/][a-z-]*$/.test(text)
}
