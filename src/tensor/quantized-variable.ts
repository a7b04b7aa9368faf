import type { HostArray } from './dtype.js'
import type { Tensor } from './graph.js'
import { dequantize, type QuantizedBits } from './ops/dequantize.js'
import { cast } from './ops/elementwise.js'
import { dequantizeBlocks, QUANTIZED_BLOCK, type QuantizedPart } from './quantize.js'
import type { Shape } from './shape.js'
import { Variable, type VariableOptions } from './variable.js'

export interface QuantizedOptions extends Omit<VariableOptions, 'isReadOnly'> {
  bits: QuantizedBits
}

/**
 * A read-only matrix held as integers of 4 or 8 bits with a bf16 scale a block (see `quantize.ts`). Shape, dtype and
 * value are those of the f32 matrix that it stands for; each use in a program makes that matrix anew.
 */
export class QuantizedVariable extends Variable {
  readonly bits: QuantizedBits
  readonly scales: Variable
  readonly #shape: Shape
  readonly #value: Tensor

  /** @param part codes and scales of all elements; their buffers are given away */
  constructor(shape: Shape, part: QuantizedPart | QuantizedVariable, { bits, ...options }: QuantizedOptions) {
    const [rows, columns] = [shape.slice(0, -1), shape[shape.length - 1]!]
    const name = options.name ?? 'variable'
    const isShared = part instanceof QuantizedVariable
    const codes = isShared
      ? ({ kind: 'shared', of: part } as const)
      : ({ kind: 'host', data: part.codes, transfer: true } as const)
    super([...rows, (columns * bits) / 8], 'u8', codes, { ...options, isReadOnly: true })
    this.bits = bits
    this.scales = isShared
      ? part.scales.share(`${name}.scales`)
      : new Variable(
          [...rows, columns / QUANTIZED_BLOCK],
          'bf16',
          { kind: 'host', data: part.scales, transfer: true },
          { engine: this.engine, name: `${name}.scales`, isReadOnly: true },
        )
    this.#shape = [...shape]
    this.#value = dequantize(super.value, cast(this.scales.value, 'f32'), { bits })
  }

  override get value(): Tensor {
    return this.#value
  }

  override get shape(): Shape {
    return this.#shape
  }

  override get dtype(): 'f32' {
    return 'f32'
  }

  override get parts(): readonly Variable[] {
    return [this, this.scales]
  }

  override get storage(): string {
    return `int${this.bits}`
  }

  /** The f32 elements that codes and scales stand for. */
  override async read(): Promise<HostArray> {
    const [codes, scales] = await Promise.all([this.readStored(), this.scales.readStored()])
    return dequantizeBlocks({ codes: codes as Uint8Array, scales: scales as Uint16Array }, this.bits)
  }

  override share(name = this.name): QuantizedVariable {
    return new QuantizedVariable(this.shape, this, { ...this.sharedOptions(name), bits: this.bits })
  }

  override dispose(): void {
    super.dispose()
    this.scales.dispose()
  }
}
