import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'

/** A fresh directory for one test file, removed when its tests are done. */
export function temporaryDirectory(name: string): string {
  const dir = mkdtempSync(join(tmpdir(), `llama-pro-${name}-`))
  afterAll(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
