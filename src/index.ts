// biome-ignore-all assist/source/organizeImports: the order is that of the subjects, from the bottom layer up
/** The public API of llama-pro-lab. Front ends (`repl/`, `kernel/`) import from here and from nowhere else. */
import './tensor/fluent.js'

// errors, events, text
export { Emitter } from './util/emitter.js'
export { LabError, messageOf } from './util/errors.js'
export { formatBytes, formatCount, formatDuration, formatTable } from './util/format.js'
export { didYouMean, nearest } from './util/nearest.js'

// tensors: a lazy graph, its gradients, compiled programs (ops are methods too: a.matmul(b).silu())
export { grad } from './tensor/autograd.js'
export type { DType, HostArray } from './tensor/dtype.js'
export { type Engine, type EngineMemory, type Precision, setDefaultEngine } from './tensor/engine.js'
export { Tensor, type TensorSpec } from './tensor/graph.js'
export { input, iota, type NestedNumbers, scalar, tensor } from './tensor/leaf.js'
export { adamw } from './tensor/ops/adamw.js'
export { type AttentionOptions, attention } from './tensor/ops/attention.js'
export { linearCrossEntropy } from './tensor/ops/cross-entropy.js'
export { where } from './tensor/ops/elementwise.js'
export { concat, full, ones, zeros } from './tensor/ops/movement.js'
export { rotary } from './tensor/ops/rotary.js'
export { swiglu } from './tensor/ops/silu.js'
export { formatTensor } from './tensor/print.js'
export { compile, Program, type ProgramDefinition, realize } from './tensor/program.js'
export { remat } from './tensor/remat.js'
export type { Shape } from './tensor/shape.js'
export { Variable, type VariableOptions } from './tensor/variable.js'

// PyTorch in a process of its own
export { TorchEngine, type TorchEngineOptions } from './engines/torch/engine.js'
// tfjs: tensors both ways, and the graph on any of its backends
export { TfjsEngine, type TfjsEngineOptions } from './engines/tfjs/engine.js'
export {
  fromTf,
  type LoadTfOptions,
  loadTf,
  type ToTfOptions,
  tf,
  toTf,
  toTfAsync,
  withTf,
} from './engines/tfjs/interop.js'
export type { TfNamespace, TfTensorLike } from './engines/tfjs/namespace.js'

// models
export { type ModelConfig, type ModelType, parseModelConfig, type RopeScaling } from './model/config.js'
export { type ForwardOptions, type ForwardResult, forward, logitsOf } from './model/forward.js'
export { type GenerateOptions, generate } from './model/generate.js'
export type { Adapter, LinearCall, Weights } from './model/weights.js'
export { Model, randomParameters } from './model/model.js'
export { elementCount, layerOf, parameterCount, parameterShapes } from './model/parameters.js'

// checkpoints, local and on the Hugging Face Hub
export { type Checkpoint, openCheckpoint, readModelConfig } from './checkpoint/checkpoint.js'
export { isHubAddress } from './checkpoint/hub-address.js'
export { openHubCheckpoint } from './checkpoint/hub-checkpoint.js'
export type { HubEvent, HubOptions } from './checkpoint/hub-client.js'
export { type DownloadOptions, type HubProgress, type ResolvedModel, resolveModel } from './checkpoint/hub-download.js'
export { blockCacheDirectory, hubCacheDirectory, readHubToken } from './checkpoint/hub-environment.js'
export {
  type LoadModelOptions,
  loadModel,
  type QuantizedWeight,
  type WeightStorage,
} from './checkpoint/load-model.js'
export { readFloat32, readSafetensors, type SafetensorsFile } from './checkpoint/read.js'
export { type SaveOptions, type SaveProgress, saveModel } from './checkpoint/save.js'
export type { StorageDtype, TensorSource } from './checkpoint/tensor-source.js'
export { type TensorEntry, writeSafetensors } from './checkpoint/write.js'

// block expansion
export {
  type ExpandCheckpointOptions,
  type ExpandedCheckpoint,
  expandCheckpoint,
} from './expansion/expand-checkpoint.js'
export { expandConfig } from './expansion/expand-config.js'
export { expandModel } from './expansion/expand-model.js'
export { type LayerMap, type LayerRow, layerMap, layerMapsOfPlan, layerMapText } from './expansion/layer-map.js'
export {
  type ExpansionOptions,
  type ExpansionPlan,
  newLayersOf,
  type Placement,
  planExpansion,
  planText,
} from './expansion/plan.js'
export { type NewBlock, newLayers, type Provenance, readProvenance } from './expansion/provenance.js'
export { type IdentityReport, verifyIdentity } from './expansion/verify-identity.js'

// what is trained
export { selectTrainable, type TrainableSelection } from './freeze/rules.js'
export { type TrainableTable, trainableTable, trainableTableText } from './freeze/trainable-table.js'

// tokenizers and data
export { leftOutText } from './data/left-out.js'
export { type Batch, type Loader, type LoaderOptions, openLoader, type SourceReport } from './data/loader.js'
export { type DatasetManifest, loadManifest } from './data/manifest.js'
export { openProbe, type Probe, type ProbeOptions } from './data/probe.js'
export { openTokenizer, type Tokenizer } from './tokenizer/tokenizer.js'
export { trainBpe } from './tokenizer/train-bpe.js'

// training runs
export {
  type ContributionRecord,
  type EventRecord,
  type GradientRecord,
  type MetricRecord,
  type ProbeRecord,
  readMetrics,
  type TrainRecord,
} from './train/metrics.js'
export { loadRecipe, parseRecipe, type Recipe } from './train/recipe.js'
export { checkpointSteps, metricsFile, modelFolder, readRun, runFile } from './train/run-directory.js'
export { TensorBoardWriter, tensorboardFolder } from './train/tensorboard.js'

// forgetting: tables and figures of runs
export { type RunFigureName, type RunFigureOptions, runFigure, runFigureNames } from './forgetting/figures.js'
export { readLayerMap, readRunRecords } from './forgetting/read-run.js'
export {
  contributionTable,
  eventTable,
  forgettingTable,
  probeTable,
  type RunRecords,
  summaryCells,
  summaryTable,
  trainTable,
} from './forgetting/tables.js'

// plots
export { figureCsv } from './plot/csv.js'
export type { Figure } from './plot/figure.js'
export { layerMapFigure } from './plot/figures/blocks.js'
export { combineFigures } from './plot/figures/combine.js'
export type { XUnit } from './plot/figures/curves.js'
export type { LossUnit } from './plot/figures/forgetting.js'
export { heatMap } from './plot/heat-map.js'
export { type HtmlReport, type HtmlTable, renderHtml } from './plot/html.js'
export { type PlotlyFigure, toPlotly } from './plot/plotly.js'
export { plotlyPath, readPlotlySource } from './plot/plotly-source.js'
export { renderSvg, type SvgOptions } from './plot/svg.js'
export { renderTerminal, type TerminalOptions } from './plot/terminal.js'

// methods: full, LoRA, existing blocks, two experts; comparisons of them
export { type ComparedRun, comparedRuns } from './methods/comparison.js'
export { comparisonFigure } from './methods/comparison-figure.js'
export {
  comparisonCells,
  comparisonNote,
  type ComparisonRow,
  comparisonText,
  type ProbeOutcome,
} from './methods/comparison-table.js'
export { type ExistingOptions, existingBlocks } from './methods/existing-blocks.js'
export { addLora, checkLora, type LoraOptions } from './methods/lora.js'
export { type PlainParameter, plainParameters } from './methods/merge.js'
export { type AppliedMethod, type MethodPlan, planMethod } from './methods/plan-method.js'
export { saveAdapter, type SaveAdapterOptions } from './methods/save-adapter.js'
export { addExperts } from './methods/two-experts.js'
export { type ComparedMethod, comparedNames } from './train/method-options.js'

// the live page of runs
export { type LiveTokens, randomTokens } from './live/access.js'
export type { LiveControls } from './live/controls.js'
export {
  type LiveHtmlOptions,
  type LiveOutput,
  coveredBundle,
  type LiveFrameOptions,
  liveBundle,
  liveFrame,
  liveHtml,
  liveOutput,
  type MimeBundle,
  type StaticBundleOptions,
  staticBundle,
} from './live/notebook.js'
export { LiveServer, type LiveServerOptions } from './live/server.js'

// lessons: the method step by step, on the session's own model
export type { Lesson, LessonPart } from './lessons/lesson.js'
export { lessonSvg } from './lessons/lesson-svg.js'
export { type LessonTextOptions, lessonText } from './lessons/lesson-text.js'
export { lessonNames } from './lessons/lessons.js'
export type { LessonOptions } from './lessons/subject.js'

// the lab: whole jobs, as the command line and the notebooks do them
export { type CompareOptions, type Comparison, compareMethods } from './lab/compare-methods.js'
export { createEngine, devices, type EngineOptions, optionalDevices } from './lab/engines.js'
export { tryEngine } from './lab/try-engine.js'
export { type EvaluateOptions, type Evaluation, evaluateModel } from './lab/evaluate-model.js'
export { type GenerateTextOptions, generateText } from './lab/generate-text.js'
export { openDataset } from './lab/open-dataset.js'
export { resolveModelDir } from './lab/resolve-model.js'
export { packageRoot, packageVersion } from './util/package.js'
export type { ProbeSummary, RunEvents, RunResult } from './lab/run-events.js'
export { type RunOptions, runRecipe } from './lab/run-recipe.js'
export { type VerifyOptions, type VerifyResult, verifyModels } from './lab/verify-models.js'
export { datasetNames } from './lab/session/datasets.js'
export { Lab } from './lab/session/lab.js'
export { liveControls } from './lab/session/live-controls.js'
export type { LabEvents, LabGenerateOptions, LabOptions } from './lab/session/lab-options.js'
export { freeRunName, type RunRow, type RunTableName } from './lab/session/run-shelf.js'
export type { ProbeSpec, SourceSpec, TrainOptions } from './lab/session/session-recipe.js'
export { type RunStatus, TrainingRun } from './lab/session/training-run.js'
export type { SessionProof } from './lab/session/verify-live.js'
