import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Json, Message } from '../../kernel/protocol/wire.js'
import { temporaryDirectory } from '../support/temporary.js'
import { connectionFile, type KernelClient, textOf, typesOf } from './client.js'
import { type LaunchedKernel, launch } from './launch.js'

const dir = temporaryDirectory('kernel-protocol')
const script = fileURLToPath(new URL('./fake-kernel.ts', import.meta.url))
const historyPath = join(dir, 'history.jsonl')
let kernel: LaunchedKernel
let client: KernelClient

beforeAll(async () => {
  kernel = await launch(script, dir, { args: [historyPath] })
  client = kernel.client
})
afterAll(() => kernel.stop())

const request = async (msgType: string, content: Json = {}) => (await client.request('shell', msgType, content)).content
const statesOf = (messages: readonly Message[]) =>
  messages.filter(({ header }) => header.msg_type === 'status').map(({ content }) => content['execution_state'])

describe('basic protocol', () => {
  test('the heartbeat comes back', async () => {
    expect(await client.heartbeat()).toBeLessThan(1000)
  })

  test('a new listener is welcomed', async () => {
    const welcome = await client.iopub.find('welcome', ({ header }) => header.msg_type === 'iopub_welcome')
    expect(welcome).toMatchObject({ parentHeader: null, content: { subscription: '' } })
  })

  test('kernel_info on shell and on control', async () => {
    const info = await request('kernel_info_request')
    expect(info).toMatchObject({ status: 'ok', protocol_version: '5.5', implementation: 'llama-pro' })
    expect(info['language_info']).toMatchObject({ name: 'typescript', file_extension: '.ts', version: '5.0.4' })
    expect((await client.request('control', 'kernel_info_request', {})).content).toEqual(info)
  })

  test('stdout, stderr, busy first and idle last, the input told of, the parent right', async () => {
    const { reply, outputs } = await client.execute('out hello\nerr oh')
    expect(reply.content).toMatchObject({ status: 'ok', payload: [], user_expressions: {} })
    expect(typesOf(outputs)).toEqual(['status', 'execute_input', 'stream', 'stream', 'status'])
    expect(statesOf(outputs)).toEqual(['busy', 'idle'])
    expect([textOf(outputs), textOf(outputs, 'stderr')]).toEqual(['hello\n', 'oh\n'])
    expect(outputs[1]!.content).toEqual({
      code: 'out hello\nerr oh',
      execution_count: reply.content['execution_count'],
    })
    expect(reply.parentHeader).toMatchObject({ msg_type: 'execute_request' })
  })

  test('connect_request names the ports', async () => {
    expect(await request('connect_request')).toMatchObject({ status: 'ok', shell_port: expect.any(Number) })
  })

  test('a second kernel on the same ports says so and ends', async () => {
    const { hb_port } = await request('connect_request')
    const path = join(dir, 'taken.json')
    writeFileSync(path, JSON.stringify({ ...(await connectionFile()), hb_port }))
    const { status, stderr } = spawnSync(process.execPath, ['--import', 'tsx', script, path, historyPath])
    expect(String(stderr)).toContain(`cannot bind tcp://127.0.0.1:${hb_port}: Address already in use`)
    expect(status).toBe(1)
  })
})

describe('interactive features', () => {
  test('complete, with positions in code points', async () => {
    expect(await request('complete_request', { code: '🦙 disp', cursor_pos: 6 })).toEqual({
      status: 'ok',
      matches: ['display'],
      cursor_start: 2,
      cursor_end: 6,
      metadata: {
        _jupyter_types_experimental: [{ text: 'display', type: 'function', start: 2, end: 6 }],
      },
    })
  })

  test('inspect: found and not found', async () => {
    const known = await request('inspect_request', { code: 'out', cursor_pos: 3, detail_level: 1 })
    expect(known).toMatchObject({ status: 'ok', found: true, data: { 'text/plain': expect.stringContaining('fake') } })
    const unknown = await request('inspect_request', { code: 'zzz', cursor_pos: 3 })
    expect(unknown).toEqual({ status: 'ok', found: false, data: {}, metadata: {} })
  })

  test('is_complete has its states', async () => {
    expect(await request('is_complete_request', { code: 'out x' })).toEqual({ status: 'complete' })
    expect(await request('is_complete_request', { code: 'out \\' })).toEqual({ status: 'incomplete', indent: '  ' })
    expect(await request('is_complete_request', { code: 'nothing' })).toEqual({ status: 'invalid' })
    for (const code of ['?nothing', 'nothing.at.all??'])
      expect(await request('is_complete_request', { code })).toEqual({ status: 'complete' })
  })

  test('history: tail, range, search, with and without output; on disk', async () => {
    for (const code of ['value alpha', 'value beta', 'value alpha']) await client.execute(code)
    const history = async (content: Json) => (await request('history_request', content))['history'] as unknown[][]
    const tail = await history({ hist_access_type: 'tail', n: 3, output: false, raw: true })
    expect(tail.map(entry => entry[2])).toEqual(['value alpha', 'value beta', 'value alpha'])
    const withOutput = await history({ hist_access_type: 'tail', n: 1, output: true, raw: true })
    expect(withOutput[0]![2]).toEqual(['value alpha', 'alpha'])
    const [session, line] = tail[1] as [number, number]
    const range = { hist_access_type: 'range', session, start: line, stop: line + 1, output: false, raw: true }
    expect(await history(range)).toEqual([[session, line, 'value beta']])
    const search = { hist_access_type: 'search', pattern: 'value ?lpha', output: false, raw: true }
    expect(await history({ ...search, n: 2 })).toHaveLength(2)
    expect(await history({ ...search, unique: true })).toHaveLength(1)
    expect(readFileSync(historyPath, 'utf8')).toContain('"value beta"')
  })

  test('an error is told on iopub and in the reply, and nothing else', async () => {
    const { reply, outputs } = await client.execute('throw too far')
    const error = { ename: 'RangeError', evalue: 'too far', traceback: ['at throw too far'] }
    expect(reply.content).toMatchObject({ status: 'error', ...error })
    expect(typesOf(outputs)).toEqual(['status', 'execute_input', 'error', 'status'])
    expect(outputs[2]!.content).toEqual(error)
  })

  test('the pager shows what a name is', async () => {
    const { reply } = await client.execute('?out')
    expect(reply.content['payload']).toEqual([{ source: 'page', data: { 'text/plain': 'out: a command' }, start: 0 }])
  })
})

describe('rich output', () => {
  test('display, update and clear', async () => {
    const { outputs } = await client.execute('display one\nupdate two\nclear wait\nclear')
    const [, , shown, updated, clearedLater, cleared] = outputs
    const bundle = (text: string) => ({ 'text/plain': text, 'text/html': `<b>${text}</b>` })
    const transient = { display_id: 'd1' }
    expect(shown!.content).toEqual({ data: bundle('one'), metadata: {}, transient })
    expect(updated!.content).toEqual({ data: bundle('two'), metadata: {}, transient })
    expect([clearedLater!.content, cleared!.content]).toEqual([{ wait: true }, { wait: false }])
    expect(typesOf(outputs.slice(2, 6))).toEqual([
      'display_data',
      'update_display_data',
      'clear_output',
      'clear_output',
    ])
  })

  test('the last value is an execute_result', async () => {
    const { reply, outputs } = await client.execute('value 42')
    expect(outputs[2]!.header.msg_type).toBe('execute_result')
    const { execution_count } = reply.content
    expect(outputs[2]!.content).toEqual({ data: { 'text/plain': '42' }, metadata: {}, execution_count })
  })

  test('broadcast sends any message under the cell; what is no JSON fails in the cell', async () => {
    expect(typesOf((await client.execute('broadcast x')).outputs)).toContain('display_data')
    expect((await client.execute('bigint')).outputs[2]!.content['data']).toEqual({
      'application/json': { n: '18446744073709551616' },
    })
    expect((await client.execute('circular')).reply.content).toMatchObject({ status: 'error', ename: 'TypeError' })
  })
})

describe('executions', () => {
  test('the count goes up by one a cell, and not for silent or unstored ones', async () => {
    const count = async (options: Json = {}) =>
      (await client.execute('value 1', options)).reply.content['execution_count']
    const first = (await count()) as number
    expect(await count()).toBe(first + 1)
    expect(await count({ silent: true })).toBe(first + 1)
    expect(await count({ store_history: false })).toBe(first + 1)
    expect(await count()).toBe(first + 2)
  })

  test('a silent cell tells neither its input nor its value', async () => {
    const { outputs } = await client.execute('value 1', { silent: true })
    expect(typesOf(outputs)).toEqual(['status', 'status'])
  })

  test('user_expressions are evaluated beside the cell', async () => {
    const user_expressions = { good: 'value 7', bad: 'throw no' }
    const { reply } = await client.execute('out x', { user_expressions })
    expect(reply.content['user_expressions']).toMatchObject({
      good: { status: 'ok', data: { 'text/plain': '7' }, metadata: {} },
      bad: { status: 'error', ename: 'RangeError' },
    })
  })

  test('an error aborts the executions that wait, and only those', async () => {
    const headers = ['sleep 100\nthrow stop', 'out a', 'out b'].map(code => client.startExecution(code))
    const results = await Promise.all(headers.map(header => client.finished(header)))
    expect(results.map(({ reply }) => reply.content['status'])).toEqual(['error', 'aborted', 'aborted'])
    expect(typesOf(results[1]!.outputs)).toEqual(['status', 'status'])
    expect((await client.execute('out c')).reply.content['status']).toBe('ok')
  })

  test('values that JSON cannot hold are errors: of the cell, or of their expression', async () => {
    const { reply, outputs } = await client.execute('circle')
    const error = { ename: 'TypeError', evalue: expect.stringContaining('circular') }
    expect(reply.content).toMatchObject({ status: 'error', ...error, execution_count: expect.any(Number) })
    expect(typesOf(outputs)).toEqual(['status', 'execute_input', 'error', 'status'])
    expect(outputs[2]!.content).toMatchObject(error)
    const expressions = { user_expressions: { round: 'circle', good: 'value 1' } }
    const { status, user_expressions } = (await client.execute('value 2', expressions)).reply.content
    expect(status).toBe('ok')
    expect(user_expressions).toMatchObject({ round: { status: 'error', ...error }, good: { status: 'ok' } })
    expect((await client.execute('value 3')).reply.content['status']).toBe('ok')
  })

  test('an update that comes late is of the cell that is executed then, or else of its own', async () => {
    const updates = (parent: string) =>
      client.iopub.messages.filter(
        ({ header, parentHeader }) => header.msg_type === 'update_display_data' && parentHeader?.msg_id === parent,
      )
    const first = client.startExecution('display one\nupdateLater two')
    await client.finished(first)
    const { outputs } = await client.execute('sleep 400')
    expect(typesOf(outputs)).toEqual(['status', 'execute_input', 'update_display_data', 'status'])
    expect(outputs[2]!.content).toMatchObject({ data: { 'text/plain': 'two' }, transient: { display_id: 'd1' } })
    expect(updates(first.msg_id)).toEqual([])
    const alone = client.startExecution('updateLater three')
    await client.finished(alone)
    await expect.poll(() => updates(alone.msg_id), { timeout: 10_000 }).toHaveLength(1)
  })

  test('stop_on_error false lets them run', async () => {
    const first = client.startExecution('throw go on', { stop_on_error: false })
    const second = client.startExecution('out a')
    expect((await client.finished(first)).reply.content['status']).toBe('error')
    expect((await client.finished(second)).reply.content['status']).toBe('ok')
  })

  test('output that comes late goes to its own cell', async () => {
    const first = client.startExecution('later from-the-first')
    await client.finished(first)
    const { outputs } = await client.execute('sleep 400')
    expect(textOf(outputs)).toBe('')
    const ofFirst = client.iopub.messages.filter(({ parentHeader }) => parentHeader?.msg_id === first.msg_id)
    expect(textOf(ofFirst)).toBe('from-the-first\n')
  })

  test('other requests are answered while a cell awaits, and the kernel still counts as busy', async () => {
    const cell = client.startExecution('sleep 1500')
    const started = Date.now()
    expect(await request('complete_request', { code: 'ou', cursor_pos: 2 })).toMatchObject({ matches: ['out'] })
    expect(Date.now() - started).toBeLessThan(1000)
    const lastState = () => client.iopub.messages.filter(({ header }) => header.msg_type === 'status').at(-1)
    const busy = { content: { execution_state: 'busy' }, parentHeader: { msg_id: cell.msg_id } }
    await expect.poll(lastState).toMatchObject(busy)
    await client.finished(cell)
  })
})

describe('stdin', () => {
  test('a cell asks and gets its answer', async () => {
    const cell = client.startExecution('prompt name?', { allow_stdin: true })
    const asked = await client.stdin.find('input_request', ({ parentHeader }) => parentHeader?.msg_id === cell.msg_id)
    expect(asked.content).toEqual({ prompt: 'name?', password: false })
    client.send('stdin', 'input_reply', { value: 'llama', status: 'ok' })
    expect((await client.finished(cell)).outputs[2]!.content['data']).toEqual({ 'text/plain': 'llama' })
  })

  test('a front end that cannot ask makes it an error', async () => {
    const { reply } = await client.execute('prompt x', { allow_stdin: false })
    expect(reply.content).toMatchObject({ status: 'error', evalue: expect.stringContaining('allow_stdin') })
  })

  test('a question of a cell that has ended is refused, and the next cell can ask', async () => {
    const ended = await client.execute('promptLater too late?', { allow_stdin: true })
    const isRefused = ({ parentHeader, content }: Message) =>
      parentHeader?.msg_id === ended.reply.parentHeader!.msg_id &&
      content['text'] === 'input: the cell that asked has ended'
    await client.iopub.find('refusal', isRefused)
    const cell = client.startExecution('prompt now?', { allow_stdin: true })
    await client.stdin.find('input_request', ({ parentHeader }) => parentHeader?.msg_id === cell.msg_id)
    client.send('stdin', 'input_reply', { value: 'yes' })
    expect((await client.finished(cell)).reply.content['status']).toBe('ok')
  })

  test('an interrupt ends the question; a late answer goes nowhere', async () => {
    const cell = client.startExecution('prompt forgotten?', { allow_stdin: true })
    await client.stdin.find('input_request', ({ parentHeader }) => parentHeader?.msg_id === cell.msg_id)
    await client.request('control', 'interrupt_request', {})
    expect((await client.finished(cell)).reply.content).toMatchObject({ status: 'error' })
    client.send('stdin', 'input_reply', { value: 'late' })
    expect((await client.execute('out on')).reply.content['status']).toBe('ok')
  })
})

describe('comms', () => {
  const ofComm = (msgType: string, id: string) =>
    client.iopub.find(
      `${msgType} of ${id}`,
      ({ header, content }) => header.msg_type === msgType && content['comm_id'] === id,
    )

  test('a comm to a target that nobody knows is closed', async () => {
    client.send('shell', 'comm_open', { comm_id: 'c0', target_name: 'nobody', data: {} })
    expect((await ofComm('comm_close', 'c0')).content).toEqual({ comm_id: 'c0', data: {} })
  })

  test('the page opens, both sides talk, the page closes', async () => {
    await client.execute('target echo')
    const opened = client.send('shell', 'comm_open', { comm_id: 'c1', target_name: 'echo', data: {} })
    const hello = await ofComm('comm_msg', 'c1')
    expect(hello).toMatchObject({ content: { data: { hello: 'echo' } }, parentHeader: { msg_id: opened.msg_id } })
    client.send('shell', 'comm_msg', { comm_id: 'c1', data: { n: 1 } })
    await client.iopub.find('echo', ({ content }) => (content['data'] as Json | undefined)?.['echo'] !== undefined)
    const info = { status: 'ok', comms: { c1: { target_name: 'echo' } } }
    expect(await request('comm_info_request', { target_name: 'echo' })).toEqual(info)
    expect(await request('comm_info_request', { target_name: 'other' })).toEqual({ status: 'ok', comms: {} })
    client.send('shell', 'comm_close', { comm_id: 'c1', data: {} })
    await expect.poll(() => request('comm_info_request')).toEqual({ status: 'ok', comms: {} })
  })

  test('buffers go both ways as they are', async () => {
    await client.execute('target bytes')
    client.send('shell', 'comm_open', { comm_id: 'b1', target_name: 'bytes', data: {} })
    await ofComm('comm_msg', 'b1')
    const buffers = [new Uint8Array([0, 255, 128]), new Uint8Array(0), new Uint8Array(1e5).fill(7)]
    const asked = client.send('shell', 'comm_msg', { comm_id: 'b1', data: { n: 2 } }, { buffers })
    const answer = await client.iopub.find(
      'answer',
      ({ header, parentHeader }) => header.msg_type === 'comm_msg' && parentHeader?.msg_id === asked.msg_id,
    )
    expect(answer.content['data']).toEqual({ echo: { n: 2 } })
    const hex = (list: Uint8Array[]) => list.map(buffer => Buffer.from(buffer).toString('hex'))
    expect(hex(answer.buffers)).toEqual(hex(buffers))
  })

  test('the kernel opens', async () => {
    const { outputs } = await client.execute('openComm widget')
    const open = outputs.find(({ header }) => header.msg_type === 'comm_open')!
    expect(open.content).toMatchObject({ target_name: 'widget', data: { from: 'kernel' } })
    expect(await request('comm_info_request')).toMatchObject({ comms: { [open.content['comm_id'] as string]: {} } })
  })
})

test.each(['detached', 'object', 'metadata', 'content'])(
  'what cannot be sent (%s) is an error of its cell, and text and messages keep their order',
  async what => {
    expect((await client.execute(`send ${what}`)).reply.content).toMatchObject({ status: 'error', ename: 'TypeError' })
    const { outputs } = await client.execute('out before\ndisplay shown\nout after')
    expect(typesOf(outputs)).toEqual(['status', 'execute_input', 'stream', 'display_data', 'stream', 'status'])
    expect(textOf(outputs)).toBe('before\nafter\n')
  },
)

describe('while the main thread computes', () => {
  test('heartbeat, control and kernel_info are answered, and an interrupt stops it', async () => {
    const cell = client.startExecution('out begun\nspin 20000')
    await client.iopub.find('begun', message => message.content['text'] === 'begun\n')
    const times: number[] = []
    for (let n = 0; n < 20; n++) times.push(await client.heartbeat())
    const controls: number[] = []
    for (let n = 0; n < 20; n++) {
      const start = performance.now()
      await client.request('control', 'kernel_info_request', {})
      controls.push(performance.now() - start)
    }
    await client.request('shell', 'kernel_info_request', {})
    const median = (values: number[]) => values.sort((a, b) => a - b)[values.length >> 1]!
    expect(median(times)).toBeLessThan(10)
    expect(median(controls)).toBeLessThan(10)
    const stopped = performance.now()
    expect((await client.request('control', 'interrupt_request', {})).content).toEqual({ status: 'ok' })
    expect((await client.finished(cell)).reply.content).toMatchObject({ status: 'error', evalue: 'interrupted' })
    expect(performance.now() - stopped).toBeLessThan(1000)
    expect((await client.execute('spin 10')).reply.content['status']).toBe('ok')
  })

  test('an awaiting cell is stopped too', async () => {
    const cell = client.startExecution('out awaiting\nsleep 20000')
    await client.iopub.find('awaiting', message => message.content['text'] === 'awaiting\n')
    await client.request('control', 'interrupt_request', {})
    expect((await client.finished(cell)).reply.content).toMatchObject({ status: 'error', evalue: 'interrupted' })
  })

  test('50 MB of lines arrive whole, in order, in few messages', async () => {
    const lines = 500_000
    const { outputs } = await client.finished(client.startExecution(`burst ${lines}\nvalue done`), 120_000)
    const text = textOf(outputs)
    expect(text.length).toBe(lines * 100)
    expect(text.split('\n').every((line, n) => line === '' || Number(line.slice(0, 9)) === n)).toBe(true)
    expect(outputs.length).toBeLessThan(2000)
    expect(outputs.at(-2)!.header.msg_type).toBe('execute_result')
  })
})

describe('what the kernel does not do, and what makes no sense', () => {
  test('debugging and subshells are declined', async () => {
    const debug = await client.request('control', 'debug_request', { type: 'request', seq: 3, command: 'attach' })
    expect(debug.content).toMatchObject({ type: 'response', request_seq: 3, success: false, command: 'attach' })
    const subshell = await client.request('control', 'create_subshell_request', {})
    expect(subshell.content).toMatchObject({ status: 'error', ename: 'Unsupported' })
  })

  test('an unknown message is logged and done with', async () => {
    const header = client.send('shell', 'juggle_request', {})
    await client.iopub.find(
      'idle',
      ({ parentHeader, content }) => parentHeader?.msg_id === header.msg_id && content['execution_state'] === 'idle',
    )
    await expect.poll(kernel.log).toContain('unknown message type on shell: "juggle_request"')
  })

  test('so is one that is named like a method of every object', async () => {
    // the log has the first and the tenth
    for (let n = 0; n < 9; n++) client.send('shell', 'toString', {})
    await expect.poll(kernel.log, { timeout: 10_000 }).toContain('unknown message type on shell: "toString" (10 times)')
  })

  test('a message that cannot be served is logged, and the next one is', async () => {
    // deeper than the answer, which repeats the header, can be written
    const deep = '['.repeat(50_000) + ']'.repeat(50_000)
    const header = JSON.stringify({ ...client.header('kernel_info_request'), deep: 0 }).replace(':0}', `:${deep}}`)
    client.sendJson('shell', [header, '{}', '{}', '{}'])
    await expect
      .poll(kernel.log, { timeout: 10_000 })
      .toContain('cannot serve a message of type "kernel_info_request": RangeError')
    expect((await client.execute('value 1')).reply.content['status']).toBe('ok')
  })

  test('1,000 malformed and wrongly signed messages change nothing', async () => {
    const frame = (text: string) => Buffer.from(text)
    const header = JSON.stringify(client.header('execute_request'))
    const hostile = [
      [frame('noise')],
      [frame('<IDS|MSG>')],
      [frame('<IDS|MSG>'), frame('00'), frame('{}')],
      [
        frame('<IDS|MSG>'),
        frame('f'.repeat(64)),
        frame(header),
        frame('{}'),
        frame('{}'),
        frame('{"code":"out pwned"}'),
      ],
      [frame('<IDS|MSG>'), frame(''), frame(header), frame('{}'), frame('{}'), frame('{"code":"out pwned"}')],
      [frame('<IDS|MSG>'), frame('x'), Buffer.from([0xff, 0xfe]), frame('['), frame('null'), frame('1')],
    ]
    for (let n = 0; n < 1000; n++) {
      const frames = hostile[n % hostile.length]!
      client.sendFrames((['shell', 'control', 'stdin'] as const)[n % 3]!, frames)
    }
    const { reply } = await client.execute('out still here')
    expect(reply.content['status']).toBe('ok')
    expect(client.iopub.messages.some(message => String(message.content['text']).includes('pwned'))).toBe(false)
    expect(await client.heartbeat()).toBeLessThan(1000)
    await expect.poll(kernel.log).toMatch(/signature does not fit the message \(100 times\)/)
    expect(kernel.log().split('\n').length).toBeLessThan(40)
  })

  test('signed requests whose content makes no sense get an answer', async () => {
    const contents = [{ code: 3 }, { code: null, cursor_pos: -5 }, { code: 'out', cursor_pos: 1e9, detail_level: 'x' }]
    for (const type of ['complete_request', 'inspect_request', 'is_complete_request', 'history_request'])
      for (const content of contents) expect(await request(type, content)).toHaveProperty('status')
    expect((await client.execute(7 as never, { user_expressions: [1] })).reply.content).toHaveProperty('status')
  })
})

describe('the end', () => {
  test('shutdown is answered and the process ends well', async () => {
    const reply = await client.request('control', 'shutdown_request', { restart: true })
    expect(reply.content).toEqual({ status: 'ok', restart: true })
    expect(await kernel.exited).toBe(0)
  })

  test('a kernel that computes ends too', async () => {
    const second = await launch(script, dir, { args: [historyPath] })
    try {
      second.client.startExecution('out begun\nspin 60000')
      await second.client.iopub.find('begun', message => message.content['text'] === 'begun\n')
      await second.client.request('control', 'shutdown_request', { restart: false })
      const started = Date.now()
      expect(await second.exited).toBe(0)
      expect(Date.now() - started).toBeLessThan(1500)
    } finally {
      await second.stop()
    }
  })
})
