import { SourceMap, type SourceMapPayload } from 'node:module'

/** A place in code as the user wrote it; line and column count from 1. */
export interface Position {
  /** `In[3]` or the path of a file. */
  title: string
  line: number
  column: number
  /** The text of the line, when it is known. */
  text?: string
}

interface Source {
  title: string
  lines: string[] | null
  map: string
  /** Lines that stand before the emitted code in the script, and before the user's code in its source. */
  lead: { script: number; source: number }
}

const CELLS_KEPT = 1000
const cellName = /^lab-cell-\d+\.ts$/

/** Source maps of everything that was compiled for cells, by the name that V8 knows the script under. */
export class Sources {
  readonly #files = new Map<string, Source>()
  readonly #cells = new Map<string, Source>()

  /** Registers cell number `serial` of the process and returns the name of its script. Old cells are forgotten. */
  addCell(serial: number, count: number, code: string, map: string): string {
    const name = `lab-cell-${serial}.ts`
    this.#cells.set(name, { title: `In[${count}]`, lines: code.split('\n'), map, lead: { script: 1, source: 1 } })
    if (this.#cells.size > CELLS_KEPT) this.#cells.delete(this.#cells.keys().next().value!)
    return name
  }

  addFile(path: string, map: string): void {
    this.#files.set(path, { title: path, lines: null, map, lead: { script: 0, source: 0 } })
  }

  /** Whether V8's name of a script is that of a cell. */
  isCell(name: string): boolean {
    return cellName.test(name)
  }

  /** Where the user wrote what V8 reports at this line and column (from 1) of a script; undefined for other scripts. */
  find(name: string, line: number, column: number): Position | undefined {
    const source = this.#cells.get(name) ?? this.#files.get(name)
    if (!source) return undefined
    const map = new SourceMap(JSON.parse(source.map) as SourceMapPayload)
    const entry = map.findEntry(line - 1 - source.lead.script, column - 1)
    if (!('originalLine' in entry) || entry.originalLine === undefined) return { title: source.title, line, column }
    const found = entry.originalLine - source.lead.source
    const text = source.lines?.[found]
    const position = { title: source.title, line: found + 1, column: entry.originalColumn + 1 }
    return text === undefined ? position : { ...position, text }
  }
}
