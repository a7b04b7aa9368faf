import { join, sep } from 'node:path'
import type TS from '@tslab/typescript-for-tslab'

/** Of `console`, the methods of plain printing, exactly as the types of Node.js have them. */
const earlyDeclarations = `
interface Console {
  debug(message?: any, ...optionalParams: any[]): void;
  error(message?: any, ...optionalParams: any[]): void;
  info(message?: any, ...optionalParams: any[]): void;
  log(message?: any, ...optionalParams: any[]): void;
  warn(message?: any, ...optionalParams: any[]): void;
}
declare var console: Console;
`

/** What TypeScript takes for any type without an error when the types of Node.js are missing. */
const needsNode = /\b(?:globalThis|interrupted)\b/

/**
 * The root files of the programs of cells. The types of Node.js are two thirds of the time to a first cell, and many a cell does without:
 * at first there are those of the language and the printing part of `console` only. A cell that was compiled so stands if
 * {@link isEnough} says so, since what is missing can only turn into errors; otherwise the types of Node.js have to join first.
 */
export class EarlyTypes {
  readonly path: string
  readonly #nodeTypes: string
  #isEarly: boolean

  constructor({ cwd, nodeTypes, isEarly }: { cwd: string; nodeTypes: string; isEarly: boolean }) {
    this.path = join(cwd, '__lab_early__.d.ts').split(sep).join('/')
    this.#nodeTypes = nodeTypes
    this.#isEarly = isEarly
  }

  get isEarly(): boolean {
    return this.#isEarly
  }

  /** Files that belong to every program besides the cell's own. */
  get roots(): string[] {
    return [this.#isEarly ? this.path : this.#nodeTypes]
  }

  read(path: string): string | undefined {
    return path === this.path ? earlyDeclarations : undefined
  }

  /** From now on the types of Node.js are there. */
  end(): void {
    this.#isEarly = false
  }

  /** Whether a cell that compiled without errors would do so with the types of Node.js too, to the same result. */
  isEnough(code: string, { program }: { program: TS.Program }): boolean {
    if (!this.#isEarly) return true
    const isKnown = (file: TS.SourceFile) =>
      program.isSourceFileDefaultLibrary(file) || file.fileName === this.path || isOfCell.test(file.fileName)
    return !needsNode.test(code) && program.getSourceFiles().every(isKnown)
  }
}

/** tslab's names for the cell and for the declarations of those before. */
const isOfCell = /\/__(?:tslab__\.ts|prev__\.d\.ts)$/
