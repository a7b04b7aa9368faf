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
        "LiveServer",
        "Model",
        "Program",
        "Tensor",
        "TensorBoardWriter",
        "TfjsEngine",
        "TorchEngine",
        "TrainingRun",
        "Variable",
        "adamw",
        "addExperts",
        "addLora",
        "attention",
        "blockCacheDirectory",
        "checkLora",
        "checkpointSteps",
        "combineFigures",
        "compareMethods",
        "comparedNames",
        "comparedRuns",
        "comparisonCells",
        "comparisonFigure",
        "comparisonNote",
        "comparisonText",
        "compile",
        "concat",
        "contributionTable",
        "coveredBundle",
        "createEngine",
        "datasetNames",
        "devices",
        "didYouMean",
        "elementCount",
        "evaluateModel",
        "eventTable",
        "existingBlocks",
        "expandCheckpoint",
        "expandConfig",
        "expandModel",
        "figureCsv",
        "forgettingTable",
        "formatBytes",
        "formatCount",
        "formatDuration",
        "formatTable",
        "formatTensor",
        "forward",
        "freeRunName",
        "fromTf",
        "full",
        "generate",
        "generateText",
        "grad",
        "heatMap",
        "hubCacheDirectory",
        "input",
        "iota",
        "isHubAddress",
        "layerMap",
        "layerMapFigure",
        "layerMapText",
        "layerMapsOfPlan",
        "layerOf",
        "leftOutText",
        "lessonNames",
        "lessonSvg",
        "lessonText",
        "linearCrossEntropy",
        "liveBundle",
        "liveControls",
        "liveFrame",
        "liveHtml",
        "liveOutput",
        "loadManifest",
        "loadModel",
        "loadRecipe",
        "loadTf",
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
        "openHubCheckpoint",
        "openLoader",
        "openProbe",
        "openTokenizer",
        "optionalDevices",
        "packageRoot",
        "packageVersion",
        "parameterCount",
        "parameterShapes",
        "parseModelConfig",
        "parseRecipe",
        "plainParameters",
        "planExpansion",
        "planMethod",
        "planText",
        "plotlyPath",
        "probeTable",
        "randomParameters",
        "randomTokens",
        "readFloat32",
        "readHubToken",
        "readLayerMap",
        "readMetrics",
        "readModelConfig",
        "readPlotlySource",
        "readProvenance",
        "readRun",
        "readRunRecords",
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
        "saveAdapter",
        "saveModel",
        "scalar",
        "selectTrainable",
        "setDefaultEngine",
        "staticBundle",
        "summaryCells",
        "summaryTable",
        "swiglu",
        "tensor",
        "tensorboardFolder",
        "tf",
        "toPlotly",
        "toTf",
        "toTfAsync",
        "trainBpe",
        "trainTable",
        "trainableTable",
        "trainableTableText",
        "tryEngine",
        "verifyIdentity",
        "verifyModels",
        "where",
        "withTf",
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
