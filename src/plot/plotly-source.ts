import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { LabError } from '../util/errors.js'

/**
 * The path of plotly.js in node_modules, for a page to load. It must never be imported: it needs a browser.
 * @throws LabError PLOTLY_MISSING when the package is not installed.
 */
export function plotlyPath(): string {
  try {
    return createRequire(import.meta.url).resolve('plotly.js-dist')
  } catch (cause) {
    throw new LabError('PLOTLY_MISSING', 'Expected the package plotly.js-dist in node_modules. Run `npm install`.', {
      cause,
    })
  }
}

/** The version of plotly.js in node_modules. @throws LabError PLOTLY_MISSING when the package is not installed. */
export function plotlyVersion(): string {
  const manifest = readFileSync(join(dirname(plotlyPath()), 'package.json'), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

/** The text of plotly.js (10 MB), to be written into a self-contained page. */
export function readPlotlySource(): string {
  return readFileSync(plotlyPath(), 'utf8')
}
