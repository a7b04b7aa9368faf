/** The kernel as people start it: compiled. */
import { join } from 'node:path'

const { build, root } = (await import('../../repl/setup.mjs' as string)) as { build: () => void; root: string }

/** Its program, built anew when a source is newer. */
export function builtKernel(): string {
  build()
  return join(root, 'dist', 'kernel', 'main.js')
}

/** What a kernel.json says to start it. */
export function builtKernelSpec(): { argv: string[]; display_name: string; language: string; interrupt_mode: string } {
  const argv = [process.execPath, builtKernel(), '{connection_file}']
  return { argv, display_name: 'test', language: 'typescript', interrupt_mode: 'message' }
}
