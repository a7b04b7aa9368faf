import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import type { Compiler } from './compiler-host.js'

/** What every cell can use besides the library, as TypeScript sees it. */
export const ambientDeclarations = `
interface DisplayOptions { raw?: boolean; metadata?: Record<string, unknown>; displayId?: string; update?: boolean }
interface DisplayHandle { readonly id: string; update(value: unknown, options?: DisplayOptions): void }
interface Display {
  /** Shows a value now: \`display(value)\`; \`display(bundle, { raw: true })\` shows a MIME bundle as it is. */
  (value: unknown, options?: DisplayOptions): DisplayHandle;
  html(source: string, options?: DisplayOptions): DisplayHandle;
  markdown(source: string, options?: DisplayOptions): DisplayHandle;
  latex(source: string, options?: DisplayOptions): DisplayHandle;
  svg(source: string, options?: DisplayOptions): DisplayHandle;
  /** Shows a PNG, JPEG or GIF file. */
  image(bytes: Uint8Array, options?: DisplayOptions): DisplayHandle;
  /** Removes what the cell has shown; with \`wait\`, when its next output comes. */
  clear(options?: { wait?: boolean }): void;
}
/** Shows values, MIME bundles and images below the cell; the handle updates what is shown. */
declare const display: Display;
/** Aborted when the cell is interrupted: pass it to whatever takes an AbortSignal. */
declare const interrupted: AbortSignal;
/** Asks the user for a line of text. */
declare function prompt(message?: string, options?: { password?: boolean }): Promise<string>;
`

/** The public API of the library as names that cells can use. */
export interface LibraryNames {
  /** File with the types: the build's declarations, or the sources in a checkout that was not built. */
  typesFile: string
  /** Every exported name, values and types. */
  names: string[]
}

/** Reads the exported names of the library from its entry without loading it. */
export function readLibraryNames(ts: Compiler, root: string): LibraryNames {
  const built = join(root, 'dist/src/index.d.ts')
  const typesFile = existsSync(built) ? built : join(root, 'src/index.ts')
  const file = ts.createSourceFile(typesFile, readFileSync(typesFile, 'utf8'), ts.ScriptTarget.Latest)
  const names = file.statements.flatMap(statement => {
    if (!ts.isExportDeclaration(statement) || !statement.exportClause) return []
    return ts.isNamedExports(statement.exportClause) ? statement.exportClause.elements.map(({ name }) => name.text) : []
  })
  return { typesFile, names }
}

/** Places of packages that cells may import from any working directory: our own library and its tables. */
export function preludePaths(library: LibraryNames): Record<string, string[]> {
  const arquero = createRequire(import.meta.url)
    .resolve('arquero/package.json')
    .replace(/[/\\]package\.json$/, '')
  return { 'llama-pro-lab': [library.typesFile], arquero: [arquero] }
}
