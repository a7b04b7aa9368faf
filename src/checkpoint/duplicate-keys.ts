/**
 * The first key that occurs twice in one object of a JSON text, or null. `JSON.parse` silently keeps the last of two
 * equal keys, so two readers may see two different tensors behind one name.
 *
 * @param text JSON that `JSON.parse` accepts; other text gives an arbitrary answer
 */
export function duplicateKey(text: string): string | null {
  // one entry per open bracket: the keys seen so far, or null for a list
  const open: (Set<string> | null)[] = []
  let expectsKey = false
  let i = 0
  while (i < text.length) {
    const c = text[i]
    if (c === '"') {
      const end = stringEnd(text, i)
      const keys = open.at(-1)
      if (expectsKey && keys) {
        const key = JSON.parse(text.slice(i, end)) as string
        if (keys.has(key)) return key
        keys.add(key)
        expectsKey = false
      }
      i = end
      continue
    }
    if (c === '{' || c === '[') open.push(c === '{' ? new Set() : null)
    else if (c === '}' || c === ']') open.pop()
    if (c === '{' || c === ',') expectsKey = open.at(-1) instanceof Set
    i++
  }
  return null
}

/** The index after the closing quote of the string that opens at `start`. */
function stringEnd(text: string, start: number): number {
  let i = start + 1
  while (i < text.length && text[i] !== '"') i += text[i] === '\\' ? 2 : 1
  return i + 1
}
