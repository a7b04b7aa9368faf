const inspectMethod = Symbol.for('nodejs.util.inspect.custom')

/** The value itself, shown as `text` by `console.log`, a cell or the terminal; its fields stay as they are. */
export function readable<T extends object>(value: T, text: string): T {
  Object.defineProperty(value, inspectMethod, { value: () => text, enumerable: false })
  return value
}
