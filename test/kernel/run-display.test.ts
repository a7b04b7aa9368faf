import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { MimeBundle } from '../../kernel/evaluator/types.js'
import { type RunDisplayWorld, showRun } from '../../kernel/run-display.js'
import type { Lab, LiveServer, TrainingRun } from '../../src/index.js'
import { Emitter } from '../../src/util/emitter.js'

/** Tickets whose page is open. */
const open = new Set<string>()
let tickets = 0
const server = { clientsOf: (ticket: string) => (open.has(ticket) ? 1 : 0) } as unknown as LiveServer

const library = {
  runFigure: () => ({}),
  staticBundle: () => ({ 'image/svg+xml': '<svg/>' }),
  liveOutput: () => ({ id: `live-${tickets}`, ticket: `ticket-${tickets++}` }),
  liveBundle: (_server: unknown, _figure: unknown, { output }: { output: { ticket: string } }) => ({
    'text/html': output.ticket,
    'image/svg+xml': '<svg/>',
  }),
} as unknown as RunDisplayWorld['library']

/** A run of the session's folder, and everything that was shown of it in the place of its plot. */
function shown() {
  const plots: MimeBundle[] = []
  const events = new Emitter<{ record: object; status: object }>()
  let settle = () => {}
  const over = new Promise<void>(resolve => {
    settle = resolve
  })
  const records: object[] = []
  const run = {
    name: 'a',
    dir: '/runs/a',
    records,
    events,
    isOver: false,
    statusLine: () => '',
    // biome-ignore lint/suspicious/noThenProperty: a run is awaited for its end
    then: over.then.bind(over),
  }
  let displays = 0
  const display = (bundle: MimeBundle) => {
    const isPlot = displays++ === 1
    if (isPlot) plots.push(bundle)
    return { id: isPlot ? 'plot' : 'status', update: (next: MimeBundle) => isPlot && plots.push(next) }
  }
  showRun(run as unknown as TrainingRun, {
    library,
    lab: { runsDir: '/runs', serve: async () => server } as unknown as Lab,
    display: display as unknown as RunDisplayWorld['display'],
    updateShown: (id, bundle) => id === 'plot' && plots.push(bundle),
  })
  const record = async (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      records.push({})
      events.emit('record', {})
      await vi.advanceTimersByTimeAsync(1000)
    }
  }
  const end = async () => {
    settle()
    await vi.advanceTimersByTimeAsync(1)
  }
  return { plots, record, end }
}

describe('the plot below the cell of a run', () => {
  beforeEach(() => {
    open.clear()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  })
  afterEach(() => vi.useRealTimers())

  it('stays the live page as long as its own page is open, drawn again in its place every few minutes', async () => {
    const first = shown()
    await vi.advanceTimersByTimeAsync(1)
    const [ticket] = first.plots.flatMap(bundle => bundle['text/html'] ?? [])
    open.add(String(ticket))
    await first.record(60)
    expect(first.plots.slice(1)).toEqual([{ 'text/html': ticket, 'image/svg+xml': '<svg/>' }])
    await first.record(300)
    expect(first.plots.slice(1).map(bundle => bundle['text/html'])).toEqual([ticket, ticket])
    // another run, while the page of the first is open
    const second = shown()
    await vi.advanceTimersByTimeAsync(1)
    open.add(String(second.plots.at(-1)!['text/html']))
    await second.record(60)
    expect(second.plots.at(-1)!['text/html']).toMatch(/^ticket-/)
    open.clear()
    await second.record(12)
    expect(second.plots.at(-1)).toEqual({ 'image/svg+xml': '<svg/>' })
  })

  it('is a picture where no page comes, and in the end', async () => {
    const run = shown()
    await vi.advanceTimersByTimeAsync(1)
    expect(run.plots.at(-1)).toHaveProperty('text/html')
    await run.record(9)
    expect(run.plots.at(-1)).not.toHaveProperty('text/html')
    expect(run.plots.length).toBeLessThanOrEqual(8)
  })

  it('is no live page when the run has failed before its first record', async () => {
    const run = shown()
    await vi.advanceTimersByTimeAsync(1)
    expect(run.plots.at(-1)).toHaveProperty('text/html')
    await run.end()
    expect(run.plots.at(-1)).toEqual({ 'text/plain': '' })
  })
})
