/** The part of the build that the compiler does not do: Python files of src/ go to the same place in dist/. */
import { copyFileSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

/** Copies every `.py` file below `src`. */
export function copyPython() {
  for (const name of readdirSync(join(root, 'src'), { recursive: true })) {
    if (!name.endsWith('.py')) continue
    const target = join(root, 'dist', 'src', name)
    mkdirSync(dirname(target), { recursive: true })
    copyFileSync(join(root, 'src', name), target)
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) copyPython()
