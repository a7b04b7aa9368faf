import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { headerMaker } from '../../kernel/protocol/header.js'
import { type Json, parseMessage, type SigningKey, serializeMessage, WireError } from '../../kernel/protocol/wire.js'

const key: SigningKey = { key: 'secret', digest: 'sha256' }
const header = headerMaker()
const json = fc.dictionary(fc.string(), fc.jsonValue()).map(value => JSON.parse(JSON.stringify(value)) as Json)
const bytes = fc.uint8Array({ maxLength: 20 }).map(value => Buffer.from(value))

function kindOf(frames: Uint8Array[], signing = key): string {
  try {
    parseMessage(frames, signing)
    return 'accepted'
  } catch (error) {
    if (error instanceof WireError) return error.kind
    throw error
  }
}

describe('messages on the wire', () => {
  test('what is sent is what is received', () => {
    fc.assert(
      fc.property(json, json, fc.array(bytes), fc.array(bytes, { maxLength: 2 }), (content, metadata, buffers, ids) => {
        const message = { identities: ids, header: header('a'), parentHeader: header('b'), metadata, content, buffers }
        const { identities, ...rest } = parseMessage(serializeMessage(message, key), key)
        expect(identities.map(String)).toEqual(ids.map(String))
        expect(rest).toEqual({ header: message.header, parentHeader: message.parentHeader, metadata, content, buffers })
      }),
      { numRuns: 100 },
    )
  })

  test('the signature is the HMAC of the four JSON frames', () => {
    const frames = serializeMessage(
      { identities: [], header: header('a'), parentHeader: null, content: '{"a":1}' },
      { key: 'k', digest: 'sha256' },
    )
    expect(String(frames[1])).toMatch(/^[0-9a-f]{64}$/)
    expect(frames.slice(3).map(String)).toEqual(['{}', '{}', '{"a":1}'])
  })

  test('any changed byte of what is signed, or of the signature, is found', () => {
    const message = { identities: [], header: header('a'), parentHeader: null, content: { code: 'x' } }
    const frames = serializeMessage(message, key)
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: frames.length - 1 }),
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (at, i, x) => {
          const changed = frames.map(frame => Buffer.from(frame))
          const target = changed[at]!
          target[i % target.length]! ^= x
          expect(kindOf(changed)).toBe('signature')
        },
      ),
      { numRuns: 200 },
    )
    expect(kindOf(frames)).toBe('accepted')
    expect(kindOf(frames, { ...key, key: 'other' })).toBe('signature')
  })

  test('frames of any content are refused, never a crash', () => {
    const frames = fc.array(fc.oneof(bytes, fc.constantFrom(Buffer.from('<IDS|MSG>'), Buffer.from('{}'))))
    fc.assert(
      fc.property(frames, list => {
        expect(kindOf(list)).not.toBe('accepted')
      }),
    )
    fc.assert(
      fc.property(frames, list => {
        expect(kindOf(list, { ...key, key: '' })).toBe('malformed')
      }),
    )
  })

  test('without a key nothing is signed', () => {
    const message = { identities: [], header: header('a'), parentHeader: null, content: {} }
    const frames = serializeMessage(message, { ...key, key: '' })
    expect(String(frames[1])).toBe('')
    expect(kindOf(frames, { ...key, key: '' })).toBe('accepted')
  })
})
