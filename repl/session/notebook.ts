/** What was run, as a Jupyter notebook (format 4.5). */
import { createHash } from 'node:crypto'
import { stripVTControlCharacters } from 'node:util'
import type { CellResult, MimeBundle } from '../../kernel/evaluator/types.js'
import type { KeptOutputs } from './kept-outputs.js'

/** A cell that was run. */
export interface ExecutedCell {
  /** TypeScript. */
  source: string
  /** What was typed when it was a command. */
  command: string | null
  outputs: KeptOutputs
  result: CellResult | null
}

/** Notebook files keep texts as lists of lines. */
function linesOf(text: string): string[] {
  return text === '' ? [] : text.split(/(?<=\n)/)
}

function bundleOf(data: MimeBundle): Record<string, unknown> {
  const entries = Object.entries(data).map(([mime, value]) => {
    const isText = typeof value === 'string' && (mime.startsWith('text/') || mime === 'image/svg+xml')
    // the colours were those of the terminal
    return [mime, isText ? linesOf(mime === 'text/plain' ? stripVTControlCharacters(value) : value) : value]
  })
  return Object.fromEntries(entries)
}

const cutNote = 'what the cell wrote after this was too much to be kept\n'

/** The outputs as a front end would have them. */
function outputsOf({ outputs, result }: ExecutedCell): object[] {
  const out: object[] = outputs.list.map(output =>
    output.kind === 'stream'
      ? { output_type: 'stream', name: output.name, text: linesOf(output.text) }
      : { output_type: 'display_data', data: bundleOf(output.data), metadata: output.metadata },
  )
  if (outputs.isCut) out.push({ output_type: 'stream', name: 'stderr', text: linesOf(cutNote) })
  if (result?.status === 'ok' && result.value)
    out.push({
      output_type: 'execute_result',
      execution_count: result.count,
      data: bundleOf(result.value),
      metadata: {},
    })
  if (result?.status === 'error') out.push({ output_type: 'error', ...result.error })
  return out
}

function cellOf(cell: ExecutedCell, index: number): object {
  const { source, command, result } = cell
  const code = command === null ? source : `${command.replace(/^/gm, '// ')}\n${source}`
  return {
    cell_type: 'code',
    id: createHash('sha256').update(`${index}\n${source}`).digest('hex').slice(0, 12),
    metadata: {},
    source: linesOf(code),
    execution_count: result && 'count' in result ? result.count : null,
    outputs: outputsOf(cell),
  }
}

/** The text of a notebook file that runs the same cells in the Jupyter kernel. */
export function notebookText(cells: readonly ExecutedCell[]): string {
  const notebook = {
    cells: cells.map(cellOf),
    metadata: {
      kernelspec: { display_name: 'Llama Pro Lab (TypeScript)', language: 'typescript', name: 'llama-pro' },
      language_info: { name: 'typescript', file_extension: '.ts', mimetype: 'text/typescript' },
    },
    nbformat: 4,
    nbformat_minor: 5,
  }
  return `${JSON.stringify(notebook, null, 1)}\n`
}
