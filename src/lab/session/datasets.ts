/** Names of the datasets that come with the package, and what is meant by one that is given. */
import { existsSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { LabError } from '../../util/errors.js'
import { didYouMean } from '../../util/nearest.js'
import { packageRoot } from '../../util/package.js'

const manifests: Record<string, string> = {
  'demo/code': 'demo/code.yaml',
  'demo/code-validation': 'demo/code-validation.yaml',
  'demo/math': 'demo/math.yaml',
  'demo/math-validation': 'demo/math-validation.yaml',
  'demo/general': 'demo/general.yaml',
  'the-stack': 'hub/the-stack-dedup-python.yaml',
  'proof-pile-2': 'hub/proof-pile-2.yaml',
  'proof-pile-2-validation': 'hub/proof-pile-2-validation.yaml',
}

/** Names that `lab.data` and `lab.probes` know: the embedded demo's, The Stack and Proof-Pile-2 on the Hugging Face Hub. */
export const datasetNames: readonly string[] = Object.keys(manifests)

/** Sources of the paper's mix and their weights, code and mathematics 1.5 : 1.0, as the demo has them. */
export const demoSources = [
  { manifest: 'demo/code', weight: 1.5 },
  { manifest: 'demo/math', weight: 1 },
] as const

/** Held-out sets of the demo as its recipes have them: beginnings, so that many documents are heard. Readable by any model. */
export const demoProbes = [
  { name: 'general', manifest: 'demo/general', maxDocumentBytes: 768 },
  { name: 'code', manifest: 'demo/code-validation', maxDocumentBytes: 1024 },
  { name: 'math', manifest: 'demo/math-validation' },
] as const

/**
 * The path or address of a dataset: that of a known name, else a manifest, data file, glob or `hf://` address.
 * @throws LabError DATASET when there is no such name and no such file
 */
export function datasetPath(name: string, cwd: string): string {
  const known = manifests[name]
  if (known !== undefined) return join(packageRoot(), 'datasets', known)
  if (name.startsWith('hf://')) return name
  const path = isAbsolute(name) ? name : resolve(cwd, name)
  if (/[*?{[]/.test(name) || existsSync(path)) return path
  throw new LabError(
    'DATASET',
    `no dataset "${name}": it is not a file below ${cwd}, and the names are ${datasetNames.join(', ')}.${didYouMean(name, datasetNames)}`,
  )
}

/** Directory of the embedded base model. */
export function demoBase(): string {
  return join(packageRoot(), 'datasets', 'demo', 'base')
}
