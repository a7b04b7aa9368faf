/** What a cell put out, as far as it is kept for the notebook: what was cleared or updated since is not. */
import type { CellOutput } from '../../kernel/evaluator/types.js'

export type StreamOutput = Extract<CellOutput, { kind: 'stream' }>
export type DisplayOutput = Extract<CellOutput, { kind: 'display' }>

/** Most characters that are kept of a cell: a loop that writes for hours must not fill the memory. */
export const maxKeptChars = 4 << 20

/** The outputs of one cell, streams joined and displays as they are now. */
export class KeptOutputs {
  readonly list: (StreamOutput | DisplayOutput)[] = []
  #chars = 0
  #isCut = false
  /** The list is emptied when the next output comes. */
  #isToBeCleared = false

  /** Whether later outputs have been left out. */
  get isCut(): boolean {
    return this.#isCut
  }

  add(output: CellOutput): void {
    if (output.kind === 'clear') {
      if (output.wait) this.#isToBeCleared = true
      else this.#clear()
      return
    }
    if (this.#isToBeCleared) this.#clear()
    if (output.kind === 'display' && output.isUpdate) this.#update(output)
    else if (this.#hasRoomFor(output)) this.#append(output)
  }

  #append(output: StreamOutput | DisplayOutput): void {
    const last = this.list.at(-1)
    if (output.kind === 'stream' && last?.kind === 'stream' && last.name === output.name) last.text += output.text
    else this.list.push({ ...output })
  }

  #update({ displayId, data }: DisplayOutput): void {
    const shown = this.list.find(one => one.kind === 'display' && one.displayId === displayId)
    if (shown?.kind === 'display') shown.data = data
  }

  #hasRoomFor(output: StreamOutput | DisplayOutput): boolean {
    if (!this.#isCut) this.#chars += charsOf(output)
    this.#isCut ||= this.#chars > maxKeptChars
    return !this.#isCut
  }

  #clear(): void {
    this.list.length = 0
    this.#chars = 0
    this.#isCut = false
    this.#isToBeCleared = false
  }
}

function charsOf(output: StreamOutput | DisplayOutput): number {
  if (output.kind === 'stream') return output.text.length
  const texts = Object.values(output.data).filter(value => typeof value === 'string')
  return texts.reduce((sum, text) => sum + text.length, 0)
}
