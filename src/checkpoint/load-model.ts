import { Model } from '../model/model.js'
import type { Engine } from '../tensor/engine.js'
import { internal, LabError } from '../util/errors.js'
import { type Checkpoint, openCheckpoint } from './checkpoint.js'
import type { TensorSource } from './tensor-source.js'

const dtypes = { F32: 'f32', F16: 'f16', BF16: 'bf16' } as const

/**
 * A model directory's weights on an engine, as f32 whatever they are stored in, but for those matrices stored in bf16 that
 * `keepsBf16` names: they stay bf16. The engine reads them from the files itself, tensor by tensor; nothing passes through this
 * thread.
 * @throws LabError of {@link openCheckpoint}, or CHECKPOINT_DTYPE for weights that are not F32, F16 or BF16
 */
export async function loadModel(
  where: string | Checkpoint,
  engine: Engine,
  { keepsBf16 = () => false }: { keepsBf16?: (path: string) => boolean } = {},
): Promise<Model> {
  const checkpoint = typeof where === 'string' ? await openCheckpoint(where) : where
  return new Model(checkpoint.config, engine, (path, shape) => {
    const source = checkpoint.tensors.get(path)
    if (!source) throw internal(`${path} is missing from a checked checkpoint`)
    const range = fileRange(path, source)
    const keeps = range.dtype === 'bf16' && shape.length > 1 && keepsBf16(path)
    return { dtype: keeps ? 'bf16' : 'f32', init: { kind: 'file', ...range } }
  })
}

function fileRange(name: string, { path, byteOffset, byteLength, dtype }: TensorSource) {
  const stored = dtypes[dtype as keyof typeof dtypes]
  if (!stored) {
    throw new LabError(
      'CHECKPOINT_DTYPE',
      `${path}: "${name}" is stored as ${dtype}; expected F32, F16 or BF16. Convert the checkpoint first.`,
    )
  }
  return { path, byteOffset, byteLength, dtype: stored }
}
