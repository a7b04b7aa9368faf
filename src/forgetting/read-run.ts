import { existsSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import type { LayerMap } from '../expansion/layer-map.js'
import { readMetrics } from '../train/metrics.js'
import { metricsFile, readRun, runFile } from '../train/run-directory.js'
import type { RunRecords } from './tables.js'

/** The blocks of the model of a run as its run.json tells them; null when there is no such file or it is of an older version. */
export function readLayerMap(runDir: string): LayerMap | null {
  if (!existsSync(join(runDir, runFile))) return null
  return (readRun(runDir)['layerMap'] as LayerMap | undefined) ?? null
}

/**
 * Everything that a run has recorded, for its figures and tables.
 * @param name how it is told from others; default the name of its directory
 * @throws LabError METRICS_MISSING | METRICS_LINE | METRICS_SEQ
 */
export function readRunRecords(runDir: string, name: string = basename(resolve(runDir))): RunRecords {
  return { name, records: readMetrics(join(runDir, metricsFile)), layers: readLayerMap(runDir) }
}
