import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { endpoint, parseConnection } from '../../kernel/protocol/connection.js'
import { denoShim, displaySymbol } from '../../kernel/protocol/deno-shim.js'
import { toCodePoints, toUtf16 } from '../../kernel/protocol/offsets.js'
import { copyBuffers, objectToJson } from '../../kernel/protocol/outgoing.js'
import { parsePagerQuestion } from '../../kernel/protocol/pager.js'

describe('the connection file', () => {
  const ports = { shell_port: 1, iopub_port: 2, stdin_port: 3, control_port: 4, hb_port: 5 }

  test('gives addresses and the key', () => {
    const info = parseConnection({ ...ports, key: 'k', signature_scheme: 'hmac-sha256' })
    expect(info.signing).toEqual({ key: 'k', digest: 'sha256' })
    expect(endpoint(info, 'hb')).toBe('tcp://127.0.0.1:5')
    expect(endpoint(parseConnection({ ...ports, transport: 'ipc', ip: '/tmp/k' }), 'iopub')).toBe('ipc:///tmp/k-2')
  })

  test('says what is wrong', () => {
    expect(() => parseConnection({ ...ports, hb_port: 0 })).toThrow('"hb_port" is a port from 1 to 65535, got 0')
    expect(() => parseConnection({ ...ports, transport: 'udp' })).toThrow('"transport" is "tcp" or "ipc"')
    expect(() => parseConnection({ ...ports, signature_scheme: 'none' })).toThrow('"signature_scheme"')
    expect(() => parseConnection(null)).toThrow('not a JSON object')
  })
})

test('positions in code points and back', () => {
  expect([toUtf16('a🦙b', 2), toCodePoints('a🦙b', 3), toUtf16('ab', 9)]).toEqual([3, 2, 2])
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat({ max: 20 }), (text, n) => {
      const count = Math.min(n, [...text].length)
      expect(toCodePoints(text, toUtf16(text, count))).toBe(count)
    }),
  )
})

test('questions about a name, and programs that only look like one', () => {
  expect(parsePagerQuestion('?lab.train')).toEqual({ expression: 'lab.train', detail: 0 })
  expect(parsePagerQuestion(' lab?? ')).toEqual({ expression: 'lab', detail: 1 })
  for (const code of ['a ? b : c', 'a?.b', 'a ?? b', '?', '???', 'a?b', 'x\ny?'])
    expect(parsePagerQuestion(code)).toBeNull()
})

describe('what user code sends', () => {
  test('buffers are copied, whatever holds their bytes', () => {
    const bytes = new Uint8Array([1, 2, 3, 4])
    const shared = new Uint8Array(new SharedArrayBuffer(2)).fill(7)
    const copies = copyBuffers([bytes.subarray(1, 3), bytes.buffer, new DataView(bytes.buffer, 3), shared])
    bytes.fill(0)
    expect(copies.map(copy => [...copy])).toEqual([[2, 3], [1, 2, 3, 4], [4], [7, 7]])
    expect(copies.every(copy => copy.buffer instanceof ArrayBuffer && copy.byteOffset === 0)).toBe(true)
  })

  test.each([
    [
      'a detached one',
      () => {
        const bytes = new Uint8Array(3)
        structuredClone(bytes, { transfer: [bytes.buffer] })
        return [bytes]
      },
    ],
    ['a proxy', () => [new Proxy(new Uint8Array(1), {})]],
    ['an object', () => [{}]],
    ['null', () => [null]],
    ['no list', () => new Uint8Array(1)],
  ])('buffers that hold no bytes are refused: %s', (_, make) => {
    expect(() => copyBuffers(make())).toThrow(TypeError)
  })

  test.each([[undefined], [() => {}], [[1]], ['text'], [null]])('content that is no object is refused: %o', value => {
    expect(() => objectToJson(value, 'content')).toThrow(/^content: expected an object/)
  })
})

describe('Deno.jupyter', () => {
  function shim() {
    const [broadcast, display] = [vi.fn(), vi.fn()]
    return { broadcast, display, ...denoShim({ broadcast, display }) }
  }

  test('displays go through the display of the cell, other messages straight to the page', async () => {
    const { broadcast, display, jupyter } = shim()
    const data = { 'text/html': '<b>x</b>' }
    await jupyter.broadcast('display_data', { data, metadata: { a: 1 }, transient: {} })
    await jupyter.broadcast('update_display_data', { data, metadata: {}, transient: { display_id: 'd' } })
    await jupyter.display(7, { display_id: 'd', update: true })
    await jupyter.broadcast('comm_msg', { comm_id: 'c' })
    expect(display.mock.calls).toEqual([
      [data, { raw: true, update: false, metadata: { a: 1 } }],
      [data, { raw: true, update: true, metadata: {}, displayId: 'd' }],
      [7, { raw: false, update: true, displayId: 'd' }],
    ])
    expect(broadcast.mock.calls).toEqual([['comm_msg', { comm_id: 'c' }, {}]])
  })

  test('templates show themselves', () => {
    const bold = shim().jupyter.html`<b>${'bold'}</b>`
    expect(bold[displaySymbol]()).toEqual({ 'text/html': '<b>bold</b>', 'text/plain': '<b>bold</b>' })
  })
})
