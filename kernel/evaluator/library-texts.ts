/** Declaration files whose comments are most of their text: those of the language (beside the compiler) and of Node.js. */
const isNodeTypes = /\/node_modules\/(?:@types\/node|undici-types)\/.*\.d\.ts$/
const isLanguageTypes = /\/lib\.[\w.]*d\.ts$/

/** Documentation comments that have their lines to themselves, as they do in declarations. */
const documentation = /^[ \t]*\/\*\*[\s\S]*?\*\/[ \t]*$/gm

/**
 * The texts of the large declaration files, at first without documentation: that is two thirds of them, and reading it takes a third of
 * the time to a first cell. {@link addDocumentation} has them read again, whole.
 */
export class LibraryTexts {
  readonly #compilerFolder: string
  /** What is to be told when the text of a file changes. */
  readonly #bare = new Map<string, () => void>()
  #isWhole = false

  /** @param compilerFolder Where the compiler has the types of the language */
  constructor(compilerFolder: string) {
    this.#compilerFolder = compilerFolder.replaceAll('\\', '/')
  }

  /** The text of a file as it is to be compiled now. */
  read(path: string, readFile: () => string | undefined): string | undefined {
    const text = readFile()
    return this.#isWhole || !this.#isLarge(path) ? text : text?.replace(documentation, '')
  }

  /** Takes the listener for changes of a file that is read without documentation; returns whether it is one. */
  watch(path: string, onChange: () => void): boolean {
    if (this.#isWhole || !this.#isLarge(path)) return false
    this.#bare.set(path, onChange)
    return true
  }

  /** From now on texts are whole. Returns whether some were not. */
  addDocumentation(): boolean {
    if (this.#isWhole) return false
    this.#isWhole = true
    for (const onChange of this.#bare.values()) onChange()
    this.#bare.clear()
    return true
  }

  #isLarge(path: string): boolean {
    return isNodeTypes.test(path) || (isLanguageTypes.test(path) && path.startsWith(this.#compilerFolder))
  }
}
