/** The lab inside a cell of the real kernel, with the demo that ships. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Header, Message } from '../../kernel/protocol/wire.js'
import { checkpointSteps } from '../../src/train/run-directory.js'
import { temporaryDirectory } from '../support/temporary.js'
import { builtKernel } from './built-kernel.js'
import { textOf } from './client.js'
import { type LaunchedKernel, launch } from './launch.js'

let kernel: LaunchedKernel
const dir = temporaryDirectory('kernel-lab')

beforeAll(async () => {
  kernel = await launch(builtKernel(), dir, { env: { LLAMA_PRO_HISTORY: '' } })
})
afterAll(() => kernel.stop())

async function execute(code: string): Promise<{ text: string; failure: string; outputs: Message[] }> {
  const { client } = kernel
  const { reply, outputs } = await client.finished(client.startExecution(code), 200_000)
  const result = outputs.find(({ header }) => header.msg_type === 'execute_result')
  const bundle = result?.content['data'] as Record<string, string> | undefined
  return { text: bundle?.['text/plain'] ?? '', failure: String(reply.content['evalue'] ?? ''), outputs }
}

const idOf = ({ content }: Message) => (content['transient'] as { display_id?: string } | undefined)?.display_id

/** What a cell has displayed. */
function displaysOf(cell: Header): Message[] {
  return kernel.client.iopub.messages.filter(
    ({ header, parentHeader }) => header.msg_type === 'display_data' && parentHeader?.msg_id === cell.msg_id,
  )
}

/** The updates of what a cell has displayed, whichever cell was executed when they came. */
function updatesOf(cell: Header): Message[] {
  const ids = new Set(displaysOf(cell).map(idOf))
  return kernel.client.iopub.messages.filter(
    message => message.header.msg_type === 'update_display_data' && ids.has(idOf(message)),
  )
}

const loaded = 'require("node:fs").readFileSync("/proc/self/maps", "utf8").includes("onnxruntime")'

test.skipIf(process.platform !== 'linux')('the library is loaded when a cell first uses it, not before', async () => {
  expect((await execute(loaded)).text).toBe('false')
  expect((await execute('await tensor([1, 2]).sum().data()')).text).toContain('3')
  expect((await execute(loaded)).text).toBe('true')
})

test('lab and aq are there with their types and documentation', async () => {
  expect((await execute('aq.table({ a: [1, 2, 3] }).numRows()')).text).toBe('3')
  expect((await execute('lab.plann')).failure).toContain("TS2551: Property 'plann' does not exist on type 'Lab'")
  expect((await execute('lab.model')).failure).toMatch(/lab\.load/)
  const asked = { code: 'lab.expand', cursor_pos: 10, detail_level: 0 }
  const { content } = await kernel.client.request('shell', 'inspect_request', asked)
  expect((content['data'] as Record<string, string>)['text/plain']).toMatch(/Lab\.expand\(.*\n\n\w+/)
  const completed = await kernel.client.request('shell', 'complete_request', { code: 'lab.tra', cursor_pos: 7 })
  expect(completed.content['matches']).toContain('train')
  const types = (completed.content['metadata'] as Record<string, Record<string, string>[]>)[
    '_jupyter_types_experimental'
  ]
  expect(types!.find(({ text }) => text === 'train')).toMatchObject({
    signature: expect.stringContaining('('),
    documentation: expect.stringMatching(/\w+/),
  })
  const { reply } = await kernel.client.execute('?lab.train')
  const [page] = reply.content['payload'] as { source: string; data: Record<string, string> }[]
  expect(page).toMatchObject({ source: 'page', data: { 'text/plain': expect.stringMatching(/Lab\.train\(.*\n\n\w+/) } })
})

test('tensors go to tfjs and back', async () => {
  const code = `const tfjs = await loadTf({ backend: 'cpu' })
    await fromTf(tfjs.mul(await toTfAsync(tensor([1, 2, 3])), 2)).data()`
  const { text, failure } = await execute(code)
  expect(failure).toBe('')
  expect(text).toMatch(/2, 4, 6/)
})

test('warnings are on the stderr of the cell that is warned, long work has a line', async () => {
  const code = `setTimeout(() => lab.events.emit('warning', { message: 'later' }), 100)
    lab.events.emit('warning', { message: 'now' })
    lab.events.emit('progress', { label: 'reading', done: 1, total: 4, unit: 'count' })
    await new Promise(done => setTimeout(done, 700))`
  const { outputs } = await execute(code)
  expect(textOf(outputs, 'stderr')).toBe('warning: now\nwarning: later\n')
  const shown = outputs.find(({ header }) => header.msg_type === 'display_data')
  expect(shown?.content['data']).toEqual({ 'text/plain': 'reading: 1 of 4 (25 %)' })
})

test('a run is shown below the cell that started it, follows it from other cells, and an interrupt stops it', async () => {
  await execute(`await lab.load(); lab.data('demo/code')`)
  await execute('await lab.expand({ groups: 1, copies: 1 })')
  const options = '{ steps: 1000, seqLen: 64, microBatch: 1, gradAccumSteps: 1, probeEverySteps: 1000 }'
  const { client } = kernel
  const started = client.startExecution(`const run = lab.train(${options}); run.name`)
  await client.finished(started, 100_000)
  expect(displaysOf(started).length).toBeGreaterThan(0)
  const waiting = client.startExecution('await run')
  const isPastStep = (message: Message) =>
    /step [3-9]\b|step \d\d+\//.test((message.content['data'] as Record<string, string>)['text/plain'] ?? '')
  const ofWaiting = (message: Message) => message.parentHeader?.msg_id === waiting.msg_id
  // under the cell that is executed, where nbclient looks; the display of the first cell is named in it
  await expect.poll(() => updatesOf(started).filter(ofWaiting).some(isPastStep), { timeout: 200_000 }).toBe(true)
  const stoppedAt = performance.now()
  await client.request('control', 'interrupt_request', {})
  const { reply } = await client.finished(waiting, 30_000)
  expect(performance.now() - stoppedAt).toBeLessThan(1000)
  expect(reply.content).toMatchObject({ status: 'error', ename: 'Interrupted' })
  await expect
    .poll(async () => (await execute('run.status')).text, { timeout: 60_000, interval: 500 })
    .toBe("'interrupted'")
  // at most two updates a second of the line and one of the picture, and the last ones when it has ended
  const updates = updatesOf(started)
  const times = updates.map(({ header }) => Date.parse(header.date))
  const seconds = (times.at(-1)! - times[0]!) / 1000
  expect(updates.length).toBeLessThan(3 * seconds + 15)
  // line, live page, picture
  expect(String((updates.at(-3)!.content['data'] as Record<string, string>)['text/plain'])).toContain('interrupted')
  expect(updates.at(-1)!.content['data']).toHaveProperty('image/svg+xml')
  expect((await execute('run.records.length > 0 && lab.isLoaded')).text).toBe('true')
})

test('a cell that waits for its own run and is interrupted still shows how the run ended', async () => {
  const { client } = kernel
  const cell = client.startExecution(
    'await lab.train({ steps: 1000, seqLen: 64, microBatch: 1, gradAccumSteps: 1, probeEverySteps: 1000 })',
  )
  const texts = () =>
    [...displaysOf(cell), ...updatesOf(cell)].map(
      ({ content }) => (content['data'] as Record<string, string>)['text/plain'] ?? '',
    )
  await expect.poll(() => texts().some(text => /step (?:[2-9]|\d\d+)\//.test(text)), { timeout: 200_000 }).toBe(true)
  await client.request('control', 'interrupt_request', {})
  expect((await client.finished(cell)).reply.content).toMatchObject({ status: 'error', ename: 'Interrupted' })
  await expect.poll(() => texts().some(text => /: interrupted /.test(text)), { timeout: 60_000 }).toBe(true)
})

test('a run pauses and goes on, and leaves its last checkpoint when the kernel ends', async () => {
  const { client } = kernel
  const options = '{ steps: 1000, seqLen: 64, microBatch: 1, gradAccumSteps: 1, probeEverySteps: 1000 }'
  const started = client.startExecution(`const last = lab.train(${options}); last.dir`)
  const { outputs } = await client.finished(started, 100_000)
  const result = outputs.find(({ header }) => header.msg_type === 'execute_result')!.content['data']
  const directory = (result as Record<string, string>)['text/plain']!.slice(1, -1)
  const status = async (code = '') => (await execute(`${code}; last.status`)).text
  await expect.poll(() => status(), { timeout: 100_000, interval: 500 }).toBe("'training'")
  expect(await status('last.pause()')).toBe("'paused'")
  expect(await status('last.resume()')).toBe("'training'")
  // a run that has done no step has nothing to keep
  const hasTrained = async () => (await execute(`last.records.some(record => record.kind === 'train')`)).text
  await expect.poll(hasTrained, { timeout: 100_000, interval: 500 }).toBe('true')
  await client.request('control', 'shutdown_request', { restart: false })
  expect(await kernel.exited).toBe(0)
  expect(checkpointSteps(directory)).toHaveLength(1)
})
