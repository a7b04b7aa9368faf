/** The model of a session: its weights on the device, where they came from, and what has been chosen about them. */
import { openCheckpoint } from '../../checkpoint/checkpoint.js'
import { loadModel } from '../../checkpoint/load-model.js'
import { expandModel } from '../../expansion/expand-model.js'
import type { ExpansionPlan } from '../../expansion/plan.js'
import { newLayers, readProvenance } from '../../expansion/provenance.js'
import { selectTrainable } from '../../freeze/rules.js'
import type { ModelConfig } from '../../model/config.js'
import { Model } from '../../model/model.js'
import { layerOf } from '../../model/parameters.js'
import type { Engine } from '../../tensor/engine.js'
import type { Tensor } from '../../tensor/graph.js'
import { runOnce } from '../../tensor/program.js'
import { Variable } from '../../tensor/variable.js'
import { openTokenizer, type Tokenizer } from '../../tokenizer/tokenizer.js'
import { LabError } from '../../util/errors.js'
import { pathsOverlap } from '../../util/overlap.js'
import { saveResult } from '../save-result.js'

export class LiveModel {
  #model: Model
  /** Directory that holds the weights from which `plan` leads to the live ones. */
  source: string
  /** The expansion since `source` was read; null when there was none. */
  plan: ExpansionPlan | null = null
  /** Whether weights were changed in a way that `source` and `plan` do not tell. */
  isChanged = false
  /** Paths of the parameters that training will change. */
  trainable: ReadonlySet<string>
  readonly #gates = new Map<number, { value: number; variable: Variable }>()

  private constructor(
    model: Model,
    /** Directory of the model before any expansion of this session. */
    readonly base: string,
    readonly tokenizer: Tokenizer,
  ) {
    this.#model = model
    this.source = base
    this.trainable = new Set(defaultTrainable(model))
  }

  /** Loads a model directory onto an engine. */
  static async load(dir: string, engine: Engine): Promise<LiveModel> {
    // the weights last: nothing is on the device when one of the others fails
    const checkpoint = await openCheckpoint(dir)
    const tokenizer = await openTokenizer(dir)
    return new LiveModel(await loadModel(checkpoint, engine), dir, tokenizer)
  }

  /** Takes over a model that a run has built. */
  static of(
    model: Model,
    { base, tokenizer, trainable }: { base: string; tokenizer: Tokenizer; trainable: readonly string[] },
  ): LiveModel {
    const live = new LiveModel(model, base, tokenizer)
    live.trainable = new Set(trainable)
    live.isChanged = true
    return live
  }

  get model(): Model {
    return this.#model
  }

  /** The model becomes its expansion; the new blocks are selected for training. */
  async expand(plan: ExpansionPlan): Promise<void> {
    // one plan can be told in a recipe; a second one makes it a model of its own
    const isSecond = this.plan !== null
    const expanded = await expandModel(this.#model, plan)
    this.#model.dispose()
    this.#disposeGates()
    this.#model = expanded
    this.plan = plan
    this.isChanged ||= isSecond
    this.trainable = new Set(defaultTrainable(expanded))
  }

  freeze(rules: readonly string[]): void {
    const matched = this.#matched(rules)
    this.trainable = new Set([...this.trainable].filter(path => !matched.has(path)))
  }

  unfreeze(rules: readonly string[]): void {
    const matched = this.#matched(rules)
    const chosen = (path: string) => this.trainable.has(path) || matched.has(path)
    this.trainable = new Set([...this.#model.parameters.keys()].filter(chosen))
  }

  /** Freeze rules that select exactly what is trainable now. @throws LabError FREEZE_NOTHING when nothing is */
  trainRules(): string[] {
    if (this.trainable.size === 0)
      throw new LabError(
        'FREEZE_NOTHING',
        "every parameter is frozen, so nothing would be trained: lab.unfreeze('added'), lab.unfreeze('block 3-7'), ...",
      )
    const paths = [...this.#model.parameters.keys()]
    const isExactly = (rules: readonly string[]) => {
      const { trainable } = selectTrainable(paths, rules, readProvenance(this.#model.config))
      return trainable.length === this.trainable.size && trainable.every(path => this.trainable.has(path))
    }
    if (isExactly(['all'])) return ['all']
    if (readProvenance(this.#model.config) !== null && isExactly(['added'])) return ['added']
    return [...this.trainable]
  }

  /** Blocks that count as new, ascending. */
  newLayers(): number[] {
    return [...newLayers(readProvenance(this.#model.config))].sort((a, b) => a - b)
  }

  /** Whether nothing but blocks that count as new is trainable. */
  trainsOnlyNew(): boolean {
    const added = new Set(this.newLayers())
    return added.size > 0 && [...this.trainable].every(path => added.has(layerOf(path) ?? -1))
  }

  /** The gate of every new block: 1 = on, 0 = the block is not there. */
  gates(): Map<number, number> {
    return new Map(this.newLayers().map(layer => [layer, this.#gates.get(layer)?.value ?? 1]))
  }

  /** @throws LabError GATE for a value outside 0 to 1 or a block that is not new */
  setGate(value: number, layer?: number): void {
    const added = this.newLayers()
    if (!(value >= 0 && value <= 1)) throw new LabError('GATE', `a gate is a number from 0 to 1, got ${value}`)
    if (added.length === 0)
      throw new LabError('GATE', 'the model has no new blocks; only those have gates: await lab.expand({ groups: 2 })')
    if (layer !== undefined && !added.includes(layer))
      throw new LabError('GATE', `block ${layer} is not a new one; those with gates are ${added.join(', ')}`)
    for (const index of layer === undefined ? added : [layer]) this.#setGate(index, value)
  }

  /** Gates as tensors for a forward pass; blocks that are fully on are left out, so that they cost nothing. */
  gateTensors(): Map<number, Tensor> {
    const open = [...this.#gates].filter(([, { value }]) => value !== 1)
    return new Map(open.map(([layer, { variable }]) => [layer, variable.value]))
  }

  /** A copy of the live model on the device, the caller's to dispose. */
  async copy(): Promise<Model> {
    const { config, engine, parameters } = this.#model
    const own = (path: string) => parameters.get(path)!
    const twin = new Model(config, engine, path =>
      own(path).isReadOnly ? own(path).share() : { dtype: own(path).dtype, init: { kind: 'zeros' } },
    )
    const copied = [...twin.parameters].filter(([, { isReadOnly }]) => !isReadOnly)
    const updates = copied.map(([path, variable]) => [variable, own(path).value] as const)
    await runOnce({ outputs: {}, updates, engine })
    return twin
  }

  /**
   * The same model on another engine, read again from `source`, with its base, selection and gates. The caller's to
   * dispose; this one stays. Weights that `source` and `plan` do not tell are not carried over.
   */
  async onEngine(engine: Engine): Promise<LiveModel> {
    const twin = new LiveModel(await loadModel(this.source, engine), this.base, this.tokenizer)
    twin.source = this.source
    if (this.plan) await twin.expand(this.plan)
    twin.trainable = this.trainable
    for (const [layer, value] of this.gates()) if (value !== 1) twin.setGate(value, layer)
    return twin
  }

  /**
   * Writes the model as a Hugging Face directory, in the place of a model that is there.
   * @param dtype storage type (default that of the base)
   * @throws LabError SESSION_SAVE for the directory that it came from, with which it is compared
   */
  async save(dir: string, dtype: ModelConfig['dtype'] | undefined, signal: AbortSignal | undefined): Promise<void> {
    const own = [this.base, this.source].find(from => pathsOverlap(from, dir))
    if (own !== undefined)
      throw new LabError('SESSION_SAVE', `the live model came from ${own}, which stays as it is: save it elsewhere`)
    const options = { companionsFrom: this.base, dtype: dtype ?? this.#model.config.dtype }
    await saveResult(dir, this.#model, { ...options, ...(signal ? { signal } : {}) })
  }

  dispose(): void {
    this.#disposeGates()
    this.#model.dispose()
  }

  #setGate(layer: number, value: number): void {
    const data = Float32Array.of(value)
    const gate = this.#gates.get(layer)
    if (gate) {
      gate.variable.write(data)
      gate.value = value
      return
    }
    const options = { engine: this.#model.engine, name: `gate.${layer}` }
    this.#gates.set(layer, { value, variable: new Variable([], 'f32', { kind: 'host', data }, options) })
  }

  #disposeGates(): void {
    for (const { variable } of this.#gates.values()) variable.dispose()
    this.#gates.clear()
  }

  #matched(rules: readonly string[]): Set<string> {
    if (rules.length === 0) throw new LabError('FREEZE_RULE', 'say what: "all", "added", "block 3-7", a path or a glob')
    return new Set(selectTrainable(this.#model.parameters.keys(), rules, readProvenance(this.#model.config)).trainable)
  }
}

/** New blocks where there are some, else everything. */
function defaultTrainable({ config, parameters }: Model): string[] {
  const provenance = readProvenance(config)
  return selectTrainable(parameters.keys(), [provenance ? 'added' : 'all'], provenance).trainable
}
