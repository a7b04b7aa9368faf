import { Model } from '../model/model.js'
import type { Engine, FileRange } from '../tensor/engine.js'
import type { QuantizedBits } from '../tensor/ops/dequantize.js'
import type { QuantizationError } from '../tensor/quantize.js'
import { QuantizedVariable } from '../tensor/quantized-variable.js'
import { Variable } from '../tensor/variable.js'
import { internal, LabError } from '../util/errors.js'
import { type Checkpoint, openCheckpoint } from './checkpoint.js'
import { quantizeTensor } from './quantize-tensor.js'
import type { TensorSource } from './tensor-source.js'

const dtypes = { F32: 'f32', F16: 'f16', BF16: 'bf16' } as const

/**
 * How a weight is held: `f32`, to be trained or not; `source`, as its file stores it, mapped where the engine can, and
 * read-only; `bf16` and `f16`, rounded to it when its file stores it otherwise, and read-only; `int8` and `int4`, rounded by
 * block when loaded (see `tensor/quantize.ts`), and read-only.
 */
export type WeightStorage = 'f32' | 'bf16' | 'f16' | 'source' | 'int8' | 'int4'

/** How a weight is held, as another is loaded to be held the same way. */
export function storageOf({ storage }: Variable): Exclude<WeightStorage, 'source'> {
  return storage as Exclude<WeightStorage, 'source'>
}

/** What rounding has cost a weight. */
export interface QuantizedWeight extends QuantizationError {
  readonly path: string
  readonly bits: QuantizedBits
}

export interface LoadModelOptions {
  /** For each matrix, by path (default `f32`). Vectors (norms and biases) are small and always f32. */
  storage?: (path: string) => WeightStorage
  /** Told of every weight that is rounded. */
  onQuantized?: (weight: QuantizedWeight) => void
  /** A model of the same checkpoint whose read-only weights are used again, whatever `storage` says. */
  shared?: Model
  signal?: AbortSignal
}

/**
 * A model directory's weights on an engine. The engine reads them from the files itself, tensor by tensor; only those
 * that are quantised pass through this thread, in pieces. The files must keep their bytes while read-only weights live.
 * @throws LabError of {@link openCheckpoint}; CHECKPOINT_DTYPE for weights that are not F32, F16 or BF16; QUANTIZE
 */
export async function loadModel(
  where: string | Checkpoint,
  engine: Engine,
  options: LoadModelOptions = {},
): Promise<Model> {
  const checkpoint = typeof where === 'string' ? await openCheckpoint(where) : where
  const { storage = () => 'f32' } = options
  const made = new Map<string, Variable>()
  try {
    for (const [path, source] of checkpoint.tensors) {
      const known = options.shared?.parameters.get(path)
      if (known?.isReadOnly) {
        made.set(path, known.share())
        continue
      }
      const kind = source.shape.length === 2 ? storage(path) : 'f32'
      if (kind === 'source' || kind === 'bf16' || kind === 'f16')
        made.set(path, storedVariable(path, source, engine, kind))
      else if (kind !== 'f32') made.set(path, await quantizedVariable(path, source, engine, kind, options))
    }
    return new Model(checkpoint.config, engine, path => {
      const source = checkpoint.tensors.get(path)
      if (!source) throw internal(`${path} is missing from a checked checkpoint`)
      return made.get(path) ?? { dtype: 'f32', init: { kind: 'file', ...fileRange(path, source) } }
    })
  } catch (error) {
    for (const variable of made.values()) variable.dispose()
    throw error
  }
}

function storedVariable(path: string, source: TensorSource, engine: Engine, kind: 'source' | 'bf16' | 'f16'): Variable {
  const origin = fileRange(path, source)
  const init = { kind: 'file', isMapped: true, ...origin } as const
  return new Variable(source.shape, kind === 'source' ? origin.dtype : kind, init, {
    engine,
    name: path,
    isReadOnly: true,
    origin,
  })
}

async function quantizedVariable(
  path: string,
  source: TensorSource,
  engine: Engine,
  kind: 'int8' | 'int4',
  { onQuantized, signal }: LoadModelOptions,
): Promise<QuantizedVariable> {
  const bits = kind === 'int8' ? 8 : 4
  const origin = fileRange(path, source)
  const { part, error } = await quantizeTensor(path, source, { bits, ...(signal ? { signal } : {}) })
  onQuantized?.({ path, bits, ...error })
  return new QuantizedVariable(source.shape, part, { bits, engine, name: path, origin })
}

function fileRange(name: string, { path, byteOffset, byteLength, dtype }: TensorSource): FileRange {
  const stored = dtypes[dtype as keyof typeof dtypes]
  if (!stored) {
    throw new LabError(
      'CHECKPOINT_DTYPE',
      `${path}: "${name}" is stored as ${dtype}; expected F32, F16 or BF16. Convert the checkpoint first.`,
    )
  }
  return { path, byteOffset, byteLength, dtype: stored }
}
