/** The directory of a run: begun, begun again while there is nothing to lose, or continued from a checkpoint. */
import { existsSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { layerMap } from '../expansion/layer-map.js'
import { readProvenance } from '../expansion/provenance.js'
import type { Engine } from '../tensor/engine.js'
import { MetricsWriter } from '../train/metrics.js'
import type { Recipe } from '../train/recipe.js'
import {
  checkNoRun,
  type LoadedCheckpoint,
  metricsFile,
  modelFolder,
  readCheckpoint,
  readRun,
  runFile,
  writeRun,
} from '../train/run-directory.js'
import type { Position } from '../train/trainer.js'
import { packageVersion } from '../util/package.js'
import type { RunData } from './run-data.js'
import { checkIdentity, type RunIdentity } from './run-identity.js'
import type { RunModel } from './run-model.js'

/** Where a run is computed: the device as it was named, and what the engine says of itself (runtime, version, threads). */
export interface RunEngine {
  readonly device: string
  readonly engine: string
}

export function runEngine(device: string, { description }: Engine): RunEngine {
  return { device, engine: description }
}

/**
 * The newest checkpoint of a run that is to go on; null where it begins, or begins again because nothing of it would be lost.
 * @throws LabError RESUME when the run was started with something else; CHECKPOINT for one that is damaged
 */
export async function findCheckpoint(out: string, identity: RunIdentity): Promise<LoadedCheckpoint | null> {
  if (!existsSync(join(out, runFile))) return null
  const checkpoint = await readCheckpoint(out)
  const isBegun = checkpoint !== null || existsSync(join(out, modelFolder))
  if (isBegun) checkIdentity(out, readRun(out)['identity'], identity)
  return checkpoint
}

/** What a run directory is made for. */
export interface NewRun {
  readonly recipe: Recipe
  readonly identity: RunIdentity
  readonly engine: RunEngine
  readonly built: RunModel
  readonly data: RunData
  readonly pinned: string | null
}

/** Writes run.json; in the place of another one only to begin again (`resume`). @throws LabError RUN_EXISTS */
export function beginRun(out: string, { resume }: { resume: boolean }, run: NewRun): void {
  if (!resume) checkNoRun(out)
  const { recipe, identity, engine, built, data, pinned } = run
  const { config, weights } = built.model
  writeRun(out, {
    version: 1,
    name: recipe.name,
    recipe,
    identity,
    versions: { llamaProLab: packageVersion(), node: process.version },
    ...engine,
    seed: recipe.seed,
    model: baseName(recipe, pinned),
    provenance: readProvenance(config),
    trainable: built.trainable,
    layerMap: layerMap(config, { trainable: built.trainable, added: weights.adapter?.shapes }),
    held: built.held,
    quantized: built.quantized,
    sources: data.sources,
    probes: data.probes.map(({ name, documents, tokensScored, bytesScored }) => ({
      name,
      documents,
      tokensScored,
      bytesScored,
    })),
  })
}

/** What to tell of a run that goes on elsewhere than it was started; null where its numbers stay those of an unbroken run. */
export function engineChange(out: string, now: RunEngine): string | null {
  const before = readRun(out) as Partial<RunEngine>
  // older versions did not note the engine
  const isSame = before.engine === undefined || before.engine === now.engine
  if (before.device === now.device && isSame) return null
  const text = ({ device, engine = 'an unknown engine' }: Partial<RunEngine>) => `--device ${device} (${engine})`
  return `the run was started with ${text(before)} and goes on with ${text(now)}: from here its numbers are not, bit for bit, those of a run without a break`
}

/** The metrics of a run: new ones at its start, else those up to the checkpoint and a line that says where the run goes on. */
export function openMetrics(out: string, from: Position, now: RunEngine): MetricsWriter {
  const path = join(out, metricsFile)
  if (from.step === 0) {
    // what a run that had no checkpoint has recorded is recorded again
    rmSync(path, { force: true })
    return MetricsWriter.create(path)
  }
  const metrics = MetricsWriter.resumeAt(path, from.step)
  metrics.write({ kind: 'event', ...from, name: 'resumed', detail: { ...now } })
  return metrics
}

/** The directory of the base, or its address on the hub with the commit; null for a run from random weights. */
export function baseName({ model }: Recipe, pinned: string | null): string | null {
  return pinned ?? (model === undefined ? null : resolve(model))
}
