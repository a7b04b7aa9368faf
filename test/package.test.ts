import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import * as api from '../src/index.js'
import { repositoryRoot } from './support/shared.js'

const packageJson = JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as {
  dependencies: Record<string, string>
  devDependencies: Record<string, string>
  engines: Record<string, string>
  bin: Record<string, string>
}

describe('the published package', () => {
  test('its exports are these', () => {
    expect(Object.keys(api).sort()).toMatchInlineSnapshot(`
      [
        "Emitter",
        "Lab",
        "LabError",
        "Model",
        "Program",
        "Tensor",
        "TrainingRun",
        "Variable",
        "adamw",
        "attention",
        "blockCacheDirectory",
        "checkpointSteps",
        "combineFigures",
        "compile",
        "concat",
        "contributionTable",
        "createEngine",
        "datasetNames",
        "devices",
        "didYouMean",
        "elementCount",
        "evaluateModel",
        "eventTable",
        "expandCheckpoint",
        "expandConfig",
        "expandModel",
        "forgettingTable",
        "formatBytes",
        "formatCount",
        "formatDuration",
        "formatTable",
        "formatTensor",
        "forward",
        "full",
        "generate",
        "generateText",
        "grad",
        "hubCacheDirectory",
        "input",
        "iota",
        "layerMap",
        "layerMapFigure",
        "layerMapText",
        "layerMapsOfPlan",
        "layerOf",
        "linearCrossEntropy",
        "loadManifest",
        "loadModel",
        "loadRecipe",
        "logitsOf",
        "messageOf",
        "metricsFile",
        "modelFolder",
        "nearest",
        "newLayers",
        "newLayersOf",
        "ones",
        "openCheckpoint",
        "openDataset",
        "openLoader",
        "openProbe",
        "openTokenizer",
        "packageRoot",
        "packageVersion",
        "parameterCount",
        "parameterShapes",
        "parseModelConfig",
        "parseRecipe",
        "planExpansion",
        "planText",
        "plotlyPath",
        "probeTable",
        "randomParameters",
        "readFloat32",
        "readHubToken",
        "readMetrics",
        "readModelConfig",
        "readPlotlySource",
        "readProvenance",
        "readRun",
        "readSafetensors",
        "realize",
        "remat",
        "renderHtml",
        "renderSvg",
        "renderTerminal",
        "resolveModel",
        "resolveModelDir",
        "rotary",
        "runFigure",
        "runFigureNames",
        "runFile",
        "runRecipe",
        "saveModel",
        "scalar",
        "selectTrainable",
        "setDefaultEngine",
        "summaryCells",
        "summaryTable",
        "swiglu",
        "tensor",
        "toPlotly",
        "trainBpe",
        "trainTable",
        "trainableTable",
        "trainableTableText",
        "verifyIdentity",
        "verifyModels",
        "where",
        "writeSafetensors",
        "zeros",
      ]
    `)
  })

  test('dependencies are exact', () => {
    for (const [name, version] of Object.entries({ ...packageJson.dependencies, ...packageJson.devDependencies }))
      expect(version, name).toMatch(/^\d+\.\d+\.\d+$/)
  })

  test('the lockfile lists the optional packages of every platform, without which npm ci refuses it', () => {
    const lock = JSON.parse(readFileSync(join(repositoryRoot, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>
    }
    const absent = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        name => !lock.packages[`node_modules/${name}`] && !lock.packages[`${path}/node_modules/${name}`],
      ),
    )
    expect(absent).toEqual([])
  })

  test('the oldest Node is the one that the set-up asks for', () => {
    const setup = readFileSync(join(repositoryRoot, 'repl', 'setup.mjs'), 'utf8')
    const [major, minor] = /oldestNode = \[(\d+), (\d+)\]/.exec(setup)!.slice(1)
    expect(packageJson.engines['node']).toBe(`>=${major}.${minor}`)
  })

  test('the library does not wait at the top level, so that require() takes it', () => {
    const source = readFileSync(join(repositoryRoot, 'src', 'index.ts'), 'utf8')
    expect(source).not.toMatch(/^await /m)
  })
})
