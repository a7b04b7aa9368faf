/**
 * The 27 questions of the public board for kernels (runtimed/kernel-testbed), asked of the real kernel by our own client, with the
 * snippets that the board has for TypeScript. An answer counts only when it is the full one.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Json, Message } from '../../kernel/protocol/wire.js'
import { temporaryDirectory } from '../support/temporary.js'
import { builtKernel } from './built-kernel.js'
import { textOf, typesOf } from './client.js'
import { type LaunchedKernel, launch } from './launch.js'

const snippets = {
  printHello: "console.log('hello')",
  printStderr: "console.error('error')",
  simpleExpression: '1 + 1',
  incomplete: 'function foo(',
  complete: 'const x = 1',
  syntaxError: 'function function',
  input: "await prompt('Enter: ')",
  completionSetup: 'const testVariableForCompletion = 42',
  completionPrefix: 'testVariableFor',
  completionName: 'testVariableForCompletion',
  display:
    'await Deno.jupyter.broadcast("display_data", { data: { "text/html": "<b>bold</b>" }, metadata: {}, transient: {} })',
  update:
    'await Deno.jupyter.broadcast("display_data", { data: { "text/html": "<b>initial</b>" }, metadata: {}, transient: { display_id: "test_update" } }); await Deno.jupyter.broadcast("update_display_data", { data: { "text/html": "<b>updated</b>" }, metadata: {}, transient: { display_id: "test_update" } })',
  richResult: 'Deno.jupyter.html`<b>bold</b>`',
}

let kernel: LaunchedKernel
let info: Json

beforeAll(async () => {
  kernel = await launch(builtKernel(), temporaryDirectory('testbed'), { env: { LLAMA_PRO_HISTORY: '' } })
  info = await request('kernel_info_request')
})
afterAll(() => kernel.stop())

const execute = (code: string) => kernel.client.execute(code)
async function request(msgType: string, content: Json = {}): Promise<Json> {
  const reply = await kernel.client.request('shell', msgType, content)
  expect(reply.header.msg_type).toBe(msgType.replace('_request', '_reply'))
  return reply.content
}
const bundleOf = (outputs: Message[], msgType: string) =>
  outputs.find(({ header }) => header.msg_type === msgType)?.content['data']

// tier 1: basic protocol
test('heartbeat_responds', async () => {
  expect(await kernel.client.heartbeat()).toBeLessThan(1000)
})
test('iopub_welcome', async () => {
  const welcome = await kernel.client.iopub.find('welcome', ({ header }) => header.msg_type === 'iopub_welcome')
  expect(welcome.content).toEqual({ subscription: '' })
})
test('kernel_info_reply_valid', () => {
  expect(info).toMatchObject({
    status: 'ok',
    implementation: 'llama-pro',
    banner: expect.stringContaining('Llama Pro'),
  })
})
test('kernel_info_has_language_info', () => {
  expect(info['language_info']).toMatchObject({ name: 'typescript', version: expect.stringMatching(/^\d+\.\d+\.\d+$/) })
})
test('kernel_info_has_protocol_version', () => {
  expect(info['protocol_version']).toBe('5.5')
})
test('execute_stdout', async () => {
  expect(textOf((await execute(snippets.printHello)).outputs)).toBe('hello\n')
})
test('execute_stderr', async () => {
  expect(textOf((await execute(snippets.printStderr)).outputs, 'stderr')).toBe('error\n')
})
test('execute_reply_ok', async () => {
  expect((await execute(snippets.complete)).reply.content).toMatchObject({ status: 'ok' })
})
test('status_busy_idle_lifecycle', async () => {
  const { outputs } = await execute(snippets.complete)
  const states = outputs.filter(({ header }) => header.msg_type === 'status')
  expect(states.map(({ content }) => content['execution_state'])).toEqual(['busy', 'idle'])
})
test('execute_input_broadcast', async () => {
  const { outputs } = await execute(snippets.complete)
  const input = outputs.find(({ header }) => header.msg_type === 'execute_input')
  expect(input?.content['code']).toBe(snippets.complete)
})

// tier 2: interactive features
test('complete_request', async () => {
  await execute(snippets.completionSetup)
  const code = snippets.completionPrefix
  const reply = await request('complete_request', { code, cursor_pos: code.length })
  expect(reply).toMatchObject({
    status: 'ok',
    matches: [snippets.completionName],
    cursor_start: 0,
    cursor_end: code.length,
  })
})
test('inspect_request', async () => {
  const code = snippets.completionName
  const reply = await request('inspect_request', { code, cursor_pos: code.length, detail_level: 0 })
  expect(reply).toMatchObject({ status: 'ok', found: true })
})
test('is_complete_complete', async () => {
  expect(await request('is_complete_request', { code: snippets.complete })).toMatchObject({ status: 'complete' })
})
test('is_complete_incomplete', async () => {
  expect(await request('is_complete_request', { code: snippets.incomplete })).toMatchObject({ status: 'incomplete' })
})
test('history_request', async () => {
  await execute(snippets.complete)
  const { history } = await request('history_request', { hist_access_type: 'tail', n: 10, output: false, raw: true })
  expect((history as unknown[][]).at(-1)![2]).toBe(snippets.complete)
})
test('comm_info_request', async () => {
  expect(await request('comm_info_request')).toEqual({ status: 'ok', comms: {} })
})
test('error_handling', async () => {
  const { reply, outputs } = await execute(snippets.syntaxError)
  expect(reply.content['status']).toBe('error')
  expect(typesOf(outputs)).toContain('error')
})

// tier 3: rich output
test('display_data', async () => {
  const { outputs } = await execute(snippets.display)
  expect(bundleOf(outputs, 'display_data')).toMatchObject({ 'text/html': '<b>bold</b>' })
})
test('update_display_data', async () => {
  const { outputs } = await execute(snippets.update)
  expect(bundleOf(outputs, 'display_data')).toMatchObject({ 'text/html': '<b>initial</b>' })
  expect(bundleOf(outputs, 'update_display_data')).toMatchObject({ 'text/html': '<b>updated</b>' })
})
test('execute_result', async () => {
  const { outputs } = await execute(snippets.simpleExpression)
  expect(bundleOf(outputs, 'execute_result')).toEqual({ 'text/plain': '2' })
})
test('rich_execute_result', async () => {
  const { outputs } = await execute(snippets.richResult)
  expect(bundleOf(outputs, 'execute_result')).toMatchObject({ 'text/html': '<b>bold</b>' })
})

// tier 4: advanced features
test('stdin_input_request', async () => {
  const { client } = kernel
  const cell = client.startExecution(snippets.input, { allow_stdin: true })
  const asked = await client.stdin.find('input_request', ({ parentHeader }) => parentHeader?.msg_id === cell.msg_id)
  expect(asked.content).toEqual({ prompt: 'Enter: ', password: false })
  client.send('stdin', 'input_reply', { value: 'test_input_42' }, { parentHeader: asked.header })
  const { outputs } = await client.finished(cell)
  expect(bundleOf(outputs, 'execute_result')).toEqual({ 'text/plain': "'test_input_42'" })
})
test('comms_lifecycle', async () => {
  const { client } = kernel
  client.send('shell', 'comm_open', { comm_id: 'c', target_name: 'jupyter.kernel_testbed.test', data: {} })
  const closed = await client.iopub.find('comm_close', ({ header }) => header.msg_type === 'comm_close')
  expect(closed.content).toMatchObject({ comm_id: 'c' })
})
test('interrupt_request', async () => {
  const cell = kernel.client.startExecution('while (true) {}')
  await kernel.client.iopub.find('execute_input', ({ content }) => content['code'] === 'while (true) {}')
  await new Promise(resolve => setTimeout(resolve, 500))
  const { content } = await kernel.client.request('control', 'interrupt_request', {})
  expect(content).toEqual({ status: 'ok' })
  expect((await kernel.client.finished(cell, 2000)).reply.content).toMatchObject({ status: 'error' })
})
test('execution_count_increments', async () => {
  const counts = [await execute(snippets.complete), await execute(snippets.complete)]
  const [first, second] = counts.map(({ reply }) => reply.content['execution_count'] as number)
  expect(second).toBe(first! + 1)
})
test('parent_header_correlation', async () => {
  const { client } = kernel
  const cell = client.startExecution(snippets.printHello)
  const { reply, outputs } = await client.finished(cell)
  for (const message of [reply, ...outputs]) expect(message.parentHeader).toMatchObject({ msg_id: cell.msg_id })
  expect(typesOf(outputs)).toEqual(['status', 'execute_input', 'stream', 'status'])
})
test('shutdown_reply', async () => {
  const { content } = await kernel.client.request('control', 'shutdown_request', { restart: false })
  expect(content).toEqual({ status: 'ok', restart: false })
  expect(await kernel.exited).toBe(0)
})
