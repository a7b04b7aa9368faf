import { internal, LabError } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'
import { arrayNameOf, checkElement, type DType, type HostArray, isArrayOf } from './dtype.js'
import { defaultEngine, type Engine } from './engine.js'
import type { Tensor, TensorSpec } from './graph.js'
import { toHost } from './leaf.js'
import { holdProgram, type LoadedProgram } from './loaded-programs.js'
import { type Lowered, lower } from './lower.js'
import { formatShape, sizeOf } from './shape.js'
import { Variable } from './variable.js'

export interface ProgramDefinition<Name extends string> {
  /** What each run returns, by name. */
  outputs: Record<Name, Tensor>
  /** What each run leaves behind: `[variable, its new value]`. All take effect together at the end of the run. */
  updates?: readonly (readonly [Variable, Tensor])[]
  /** Default: the engine of the graph's variables, else the default engine. */
  engine?: Engine
}

/** Values for the placeholders of a program: host arrays, or a number for a scalar. */
export type ProgramInputs = Readonly<Record<string, HostArray | number>>

const dropped = new FinalizationRegistry<LoadedProgram>(held => held.release())

/** A graph compiled for one engine, to be run many times. */
export class Program<Name extends string = string> {
  readonly #names: readonly Name[]
  readonly #lowered: Lowered
  readonly #engine: Engine
  #held: LoadedProgram | null = null

  constructor({ outputs, updates = [], engine }: ProgramDefinition<Name>) {
    this.#names = Object.keys(outputs) as Name[]
    const tensors = this.#names.map(name => outputs[name])
    const changes = updates.map(([variable, value]) => ({ variable: checkUpdate(variable, value), value }))
    this.#engine = engine ?? updates[0]?.[0].engine ?? engineOf(tensors)
    this.#lowered = lower(tensors, changes, this.#engine.nativeOps)
    for (const variable of this.#lowered.variables) checkPlace(variable as Variable, this.#engine)
  }

  /** The lowered form: what the engine compiles, and what memory is estimated from. */
  get lowered(): Lowered {
    return this.#lowered
  }

  /** Compiles now instead of at the first run. */
  async load(): Promise<void> {
    await this.#loaded()
  }

  /**
   * One run. Resolves to the outputs in host memory; updates have taken effect by then.
   * @throws LabError INPUT for a missing, unknown or misshapen input, or an array of another element type
   */
  async run(inputs: ProgramInputs = {}, options: { signal?: AbortSignal } = {}): Promise<Record<Name, HostArray>> {
    const { spec, data, variables } = this.#lowered
    const given = spec.inputs.map(({ name, value }) => data.get(value) ?? hostValue(name, inputs, spec.values[value]!))
    const names = spec.inputs.filter(({ value }) => !data.has(value)).map(({ name }) => name)
    for (const name of Object.keys(inputs)) {
      if (!names.includes(name))
        throw new LabError('INPUT', `the program has no input "${name}".${didYouMean(name, names)}`)
    }
    const slots = variables.map(v => (v as Variable).id)
    const results = await this.#engine.run(await this.#loaded(), given, slots, options)
    return Object.fromEntries(this.#names.map((name, i) => [name, results[i]!])) as Record<Name, HostArray>
  }

  /**
   * Lets the engine free the compiled form when it needs the room; a later run compiles it anew. A program that is dropped
   * without this is let go by the garbage collector.
   */
  dispose(): void {
    if (!this.#held) return
    dropped.unregister(this)
    this.#held.release()
    this.#held = null
  }

  #loaded(): Promise<number> {
    if (this.#held) return this.#held.handle
    const held = holdProgram(this.#engine, this.#lowered)
    this.#held = held
    dropped.register(this, held, this)
    held.handle.catch(() => {
      if (this.#held === held) this.dispose()
    })
    return held.handle
  }
}

/** Compiles a graph. */
export function compile<Name extends string>(definition: ProgramDefinition<Name>): Program<Name> {
  return new Program(definition)
}

/** One run of a graph, whose program is let go afterwards. For what is run again {@link compile} it once. */
export async function runOnce<Name extends string>(
  definition: ProgramDefinition<Name>,
  inputs: ProgramInputs = {},
): Promise<Record<Name, HostArray>> {
  const program = compile(definition)
  try {
    return await program.run(inputs)
  } finally {
    program.dispose()
  }
}

/** The elements of several tensors, computed together. */
export async function realize(tensors: readonly Tensor[], { engine }: { engine?: Engine } = {}): Promise<HostArray[]> {
  const outputs = Object.fromEntries(tensors.map((t, i) => [String(i), t]))
  const results = await runOnce({ outputs, ...(engine ? { engine } : {}) })
  return tensors.map((_, i) => results[String(i)]!)
}

function checkUpdate(variable: Variable, value: Tensor): Tensor {
  variable.checkWritable()
  if (formatShape(variable.shape) !== formatShape(value.shape) || variable.dtype !== value.dtype) {
    throw new LabError(
      'SHAPE',
      `update of ${variable.name}: the variable is ${variable.dtype} ${formatShape(variable.shape)}, its new value ${value.dtype} ${formatShape(value.shape)}`,
    )
  }
  return variable.value
}

/** Engines number their variables each for itself: another one's number would be some other variable here. */
function checkPlace({ name, engine }: Variable, wanted: Engine): void {
  if (engine === wanted) return
  const label = (e: Engine) => `${e.name} on ${e.device}`
  const which = label(engine) === label(wanted) ? 'another one of the same kind' : label(engine)
  throw new LabError(
    'ENGINE',
    `the program is for the engine ${label(wanted)}, but its variable ${name} lives on ${which}; read it there and make a variable of it here`,
  )
}

function engineOf(tensors: readonly Tensor[]): Engine {
  const found = new Set<Engine>()
  const seen = new Set<object>()
  const stack = tensors.map(t => t.node)
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (seen.has(node)) continue
    seen.add(node)
    if (node.payload?.kind === 'variable') {
      if (!(node.payload.variable instanceof Variable)) throw internal('a variable leaf without a variable')
      found.add(node.payload.variable.engine)
    }
    for (const t of node.inputs) stack.push(t.node)
  }
  if (found.size > 1) throw new LabError('ENGINE', 'the graph mixes variables of several engines; move them to one')
  return [...found][0] ?? defaultEngine()
}

function hostValue(name: string, inputs: ProgramInputs, spec: TensorSpec): HostArray {
  const value = inputs[name]
  if (value === undefined) {
    throw new LabError('INPUT', `the program needs input "${name}" (${spec.dtype} ${formatShape(spec.shape)})`)
  }
  const array = typeof value === 'number' ? scalarArray(name, value, spec.dtype) : value
  const expected = `input "${name}": expected ${spec.dtype} ${formatShape(spec.shape)}`
  if (array.length !== sizeOf(spec.shape)) throw new LabError('INPUT', `${expected}, got ${array.length} elements`)
  if (!isArrayOf(spec.dtype, array)) {
    const came = array[Symbol.toStringTag]
    throw new LabError('INPUT', `${expected} as a ${arrayNameOf(spec.dtype)}, got a ${came}`)
  }
  return array
}

function scalarArray(name: string, value: number, dtype: DType): HostArray {
  checkElement(`input "${name}"`, value, dtype)
  return toHost([value], dtype)
}
