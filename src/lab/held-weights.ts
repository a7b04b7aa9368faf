/** How the matrices of a run's base are held: noted in run.json, so that it goes on with the numbers that it began with. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { storageOf, type WeightStorage } from '../checkpoint/load-model.js'
import type { Model } from '../model/model.js'
import { readRun, runFile } from '../train/run-directory.js'

/** By path in the base; what is not named is f32. */
export type HeldWeights = Readonly<Record<string, WeightStorage>>

/**
 * How a model holds its weights.
 * @param basePath path in the base of a parameter of the model, null for one that the base does not have (default: the same)
 */
export function heldWeights(model: Model, basePath: (path: string) => string | null = path => path): HeldWeights {
  const held = [...model.parameters].flatMap(([path, weight]) => {
    const [own, storage] = [basePath(path), storageOf(weight)]
    return own === null || storage === 'f32' ? [] : [[own, storage] as const]
  })
  return Object.fromEntries(held)
}

/** What run.json says of a run that is to go on; `older` when it does not, null before there is one. */
export function readHeldWeights(runDir: string | undefined): HeldWeights | 'older' | null {
  if (runDir === undefined || !existsSync(join(runDir, runFile))) return null
  return (readRun(runDir)['held'] as HeldWeights | undefined) ?? 'older'
}
