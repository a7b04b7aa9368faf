import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { scalarsOf, TensorBoardWriter } from '../../src/train/tensorboard.js'
import { frame, maskedCrc } from '../../src/train/tfrecord.js'
import { crc32c } from '../../src/util/crc32c.js'
import { contribution, event, numbered, probe, train } from '../forgetting/support.js'
import { temporaryDirectory } from '../support/temporary.js'

const dir = temporaryDirectory('tensorboard')

interface Field {
  field: number
  value: number | Uint8Array
}

/** A protobuf reader of its own: every field of a message in its order. */
function fieldsOf(bytes: Buffer): Field[] {
  const fields: Field[] = []
  let at = 0
  const varint = () => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = bytes[at++]!
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
  }
  while (at < bytes.length) {
    const key = varint()
    const [field, wire] = [key >> 3, key & 7]
    if (wire === 0) fields.push({ field, value: varint() })
    else if (wire === 1) fields.push({ field, value: bytes.readDoubleLE((at += 8) - 8) })
    else if (wire === 5) fields.push({ field, value: bytes.readFloatLE((at += 4) - 4) })
    else {
      const length = varint()
      fields.push({ field, value: bytes.subarray(at, (at += length)) })
    }
  }
  return fields
}

/** The messages of a file, with every length and checksum tested. */
function records(path: string): Buffer[] {
  const bytes = readFileSync(path)
  const found: Buffer[] = []
  for (let at = 0; at < bytes.length; ) {
    const length = Number(bytes.readBigUInt64LE(at))
    expect(bytes.readUInt32LE(at + 8)).toBe(maskedCrc(bytes.subarray(at, at + 8)))
    const data = bytes.subarray(at + 12, at + 12 + length)
    expect(bytes.readUInt32LE(at + 12 + length)).toBe(maskedCrc(data))
    found.push(data)
    at += 16 + length
  }
  return found
}

const inner = (fields: Field[], field: number) =>
  fields.filter(one => one.field === field).map(one => one.value as Buffer)

function scalars(data: Buffer): Record<string, number> {
  const values = inner(fieldsOf(data), 5).flatMap(summary => inner(fieldsOf(summary), 1))
  return Object.fromEntries(
    values.map(value => {
      const [tag, number] = fieldsOf(value)
      return [Buffer.from(tag!.value as Buffer).toString(), number!.value as number]
    }),
  )
}

describe('CRC-32C', () => {
  it('is that of RFC 3720, appendix B.4', () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa)
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43)
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e)
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283)
  })

  it('frames an empty record as TensorFlow does', () => {
    expect(Buffer.from(frame(new Uint8Array())).toString('hex')).toBe('000000000000000029039807d8ea82a2')
  })
})

describe('TensorBoard files', () => {
  it('hold every number of the records at its step', () => {
    const writer = new TensorBoardWriter(join(dir, 'a'), { now: () => 1_700_000_000_500 })
    const input = numbered([
      probe(0, 'general', 0),
      train(1, 2.5, { python: 12 }),
      contribution(300, 7, 0.25),
      event(300, 'resumed'),
    ])
    for (const record of input) writer.write(record)
    writer.close()
    const [version, first, second, third, ...rest] = records(writer.path)
    expect(inner(fieldsOf(version!), 3).map(String)).toEqual(['brain.Event:2'])
    expect(fieldsOf(version!)[0]).toEqual({ field: 1, value: 1_700_000_000.5 })
    expect(scalars(first!)).toMatchObject({ 'probe_delta_nats/general': 0, 'probe_loss_nats/general': 3 })
    expect(scalars(second!)).toMatchObject({ 'train/loss_nats': 2.5, 'train/tokens_per_sec': 50, 'mix/python': 12 })
    expect(fieldsOf(second!)[1]).toEqual({ field: 2, value: 1 })
    expect(scalars(third!)).toEqual({ 'contribution/general/block_7': 0.25 })
    expect(fieldsOf(third!)[1]).toEqual({ field: 2, value: 300 })
    expect(rest).toEqual([])
  })

  it('say of a resumed run from which step on earlier files are void', () => {
    const writer = new TensorBoardWriter(join(dir, 'b'), { step: 40 })
    writer.close()
    const [, session] = records(writer.path)
    expect(fieldsOf(session!)[1]).toEqual({ field: 2, value: 41 })
    expect(fieldsOf(inner(fieldsOf(session!), 7)[0]!)).toEqual([{ field: 1, value: 1 }])
  })

  it('keep what diverged', () => {
    expect(scalarsOf(numbered([train(1, Number.NaN)])[0]!)).toContainEqual(['train/loss_nats', Number.NaN])
  })
})
