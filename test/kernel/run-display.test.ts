import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { MimeBundle } from '../../kernel/evaluator/types.js'
import { type RunDisplayWorld, showRun } from '../../kernel/run-display.js'
import type { Lab, LiveServer, TrainingRun } from '../../src/index.js'
import { Emitter } from '../../src/util/emitter.js'

/** Tickets whose page is open. */
const open = new Set<string>()
let tickets = 0
const server = { clientsOf: (ticket: string) => (open.has(ticket) ? 1 : 0) } as unknown as LiveServer

let drawings = 0
const library = {
  runFigure: () => ({}),
  staticBundle: () => ({ 'image/svg+xml': `<svg>${++drawings}</svg>` }),
  coveredBundle: (_figure: unknown, { id }: { id: string }) => ({
    'image/svg+xml': `<svg data-live="${id}">${++drawings}</svg>`,
  }),
  liveOutput: () => ({ id: `live-${tickets}`, ticket: `ticket-${tickets++}` }),
  liveFrame: (_server: unknown, { ticket }: { ticket: string }) => ticket,
} as unknown as RunDisplayWorld['library']

const places = ['status', 'page', 'picture'] as const
type Shown = Record<(typeof places)[number], MimeBundle[]>

/** A run of the session's folder, and everything that was shown of it in each of its places. */
function showing({ runsDir = '/runs' } = {}) {
  const shown: Shown = { status: [], page: [], picture: [] }
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
    statusLine: () => `step ${records.length}`,
    // biome-ignore lint/suspicious/noThenProperty: a run is awaited for its end
    then: over.then.bind(over),
  }
  let displays = 0
  const display = (bundle: MimeBundle) => {
    const id = places[displays++]!
    shown[id].push(bundle)
    return { id, update: (next: MimeBundle) => shown[id].push(next) }
  }
  showRun(run as unknown as TrainingRun, {
    library,
    lab: { runsDir, serve: async () => server } as unknown as Lab,
    display: display as unknown as RunDisplayWorld['display'],
    updateShown: (id, bundle) => shown[id as keyof Shown].push(bundle),
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
  /** The page is put into its place at once. */
  const begun = async () => {
    await vi.advanceTimersByTimeAsync(1)
    return String(shown.page.at(-1)!['text/html'])
  }
  return { shown, record, end, begun }
}

describe('what stands below the cell of a run', () => {
  beforeEach(() => {
    open.clear()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  })
  afterEach(() => vi.useRealTimers())

  it('is a page that is never drawn again, over a picture that is, every fifteen seconds', async () => {
    const first = showing()
    const ticket = await first.begun()
    open.add(ticket)
    await first.record(61)
    expect(first.shown.page.slice(1)).toEqual([{ 'text/html': ticket, 'text/plain': '' }])
    expect(first.shown.picture.length).toBeGreaterThanOrEqual(5)
    expect(first.shown.picture.length).toBeLessThanOrEqual(6)
    const drawn = first.shown.picture.slice(1).map(bundle => String(bundle['image/svg+xml']))
    for (const svg of drawn) expect(svg).toMatch(/^<svg data-live="live-\d+">/)
    expect(new Set(drawn).size).toBe(drawn.length)
    // another run, while the page of the first is open
    const second = showing()
    expect(await second.begun()).not.toBe(ticket)
  })

  it('holds a picture from the first record on, whenever the notebook is saved', async () => {
    const run = showing()
    open.add(await run.begun())
    await run.record(1)
    expect(run.shown.picture.at(-1)).toHaveProperty('image/svg+xml')
    // saved at any time: no output holds anything but a ticket, which is spent
    await run.record(40)
    expect(run.shown.picture.at(-1)).toHaveProperty('image/svg+xml')
    await run.end()
    expect(run.shown.page.at(-1)).toEqual({ 'text/plain': '' })
    expect(run.shown.picture.at(-1)!['image/svg+xml']).toBe(`<svg>${drawings}</svg>`)
    expect(run.shown.status.at(-1)).toEqual({ 'text/plain': 'step 41' })
  })

  it('is a picture that is drawn every second where no page comes, or for a run from elsewhere', async () => {
    const run = showing()
    await run.begun()
    await run.record(9)
    expect(run.shown.picture.length).toBeGreaterThanOrEqual(9)
    expect(run.shown.picture.length).toBeLessThanOrEqual(11)
    const elsewhere = showing({ runsDir: '/other' })
    await elsewhere.record(3)
    expect(elsewhere.shown.page).toEqual([{ 'text/plain': '' }])
    expect(elsewhere.shown.picture.at(-1)!['image/svg+xml']).toMatch(/^<svg>/)
  })

  it('is no live page and no picture when the run has failed before its first record', async () => {
    const run = showing()
    expect(await run.begun()).toMatch(/^ticket-/)
    await run.end()
    expect(run.shown.page.at(-1)).toEqual({ 'text/plain': '' })
    expect(run.shown.picture.at(-1)).toEqual({ 'text/plain': '' })
  })
})
