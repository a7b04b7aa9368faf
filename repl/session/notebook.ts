/** What was run, as a Jupyter notebook (format 4.5). */
import { createHash } from 'node:crypto'
import type { CellOutput, CellResult, MimeBundle } from '../../kernel/evaluator/types.js'

/** A cell that was run. */
export interface ExecutedCell {
  /** TypeScript. */
  source: string
  /** What was typed when it was a command. */
  command: string | null
  outputs: CellOutput[]
  result: CellResult | null
}

/** Notebook files keep texts as lists of lines. */
function linesOf(text: string): string[] {
  return text === '' ? [] : text.split(/(?<=\n)/)
}

function bundleOf(data: MimeBundle): Record<string, unknown> {
  const entries = Object.entries(data).map(([mime, value]) => [
    mime,
    typeof value === 'string' && (mime.startsWith('text/') || mime === 'image/svg+xml') ? linesOf(value) : value,
  ])
  return Object.fromEntries(entries)
}

/** The outputs as a front end would have them: streams joined, displays as they were last updated. */
function outputsOf({ outputs, result }: ExecutedCell): object[] {
  const out: { output_type: string; [field: string]: unknown }[] = []
  const byId = new Map<string, { data?: unknown; metadata?: unknown }>()
  let text = { name: '', value: '' }
  const endText = () => {
    if (text.value !== '') out.push({ output_type: 'stream', name: text.name, text: linesOf(text.value) })
    text = { name: '', value: '' }
  }
  for (const output of outputs) {
    if (output.kind === 'stream') {
      if (output.name !== text.name) endText()
      text = { name: output.name, value: text.value + output.text }
      continue
    }
    endText()
    if (output.kind === 'clear') out.length = 0
    else if (output.isUpdate) Object.assign(byId.get(output.displayId ?? '') ?? {}, { data: bundleOf(output.data) })
    else {
      const shown = { output_type: 'display_data', data: bundleOf(output.data), metadata: output.metadata }
      out.push(shown)
      if (output.displayId !== undefined) byId.set(output.displayId, shown)
    }
  }
  endText()
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
  const code = command === null ? source : `// ${command}\n${source}`
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
