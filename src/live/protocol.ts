/** What page and server say to each other, as JSON over a WebSocket. Units are in the names; runs go by their names. */
import { z } from 'zod'
import { type RunFigureName, runFigureNames } from '../forgetting/figures.js'
import type { PlotlyFigure } from '../plot/plotly.js'
import { LabError } from '../util/errors.js'
import type { LiveRunSummary } from './live-run.js'

const viewSchema = z.strictObject({
  x: z.enum(['step', 'tokens', 'seconds']).default('step'),
  /** Weight of the past in the moving average of noisy curves; null: the default of each figure. */
  smoothing: z.number().min(0).max(0.999).nullable().default(null),
  logX: z.boolean().default(false),
  logY: z.boolean().nullable().default(null),
  clipOutliers: z.boolean().default(false),
  unit: z.enum(['nats', 'bitsPerByte']).default('nats'),
  /** The probe that stands for the old domain in the trade-off; null: `general`, else the first. */
  forgottenProbe: z.string().max(500).nullable().default(null),
  /** Runs that are not drawn. */
  hidden: z.array(z.string().max(500)).max(1000).default([]),
  theme: z.enum(['light', 'dark']).default('light'),
})

/** How figures are to be drawn. */
export type View = z.infer<typeof viewSchema>

const position = z.strictObject({ next: z.number().int().min(0), mark: z.number().int().min(0) })

const clientSchema = z.discriminatedUnion('type', [
  /**
   * Send records: of each run from this position on, or the last `history` of a run that is not named. Who holds too many runs for one
   * message says so in several, all but the last with `more`.
   */
  z.strictObject({
    type: z.literal('follow'),
    from: z.record(z.string().max(500), position).default({}),
    history: z.number().int().min(0).max(10_000).default(0),
    more: z.boolean().default(false),
  }),
  /** Send these figures, drawn so, whenever they change. */
  z.strictObject({
    type: z.literal('view'),
    figures: z.array(z.enum(runFigureNames as [RunFigureName, ...RunFigureName[]])).max(32),
    view: viewSchema,
  }),
  /** This figure is on the screen: the next version may come. */
  z.strictObject({ type: z.literal('drawn'), figure: z.string().max(100) }),
  z.strictObject({
    type: z.literal('control'),
    id: z.number().int(),
    action: z.enum(['pause', 'resume', 'stop']),
    run: z.string().max(500),
  }),
  z.strictObject({
    type: z.literal('gate'),
    id: z.number().int(),
    value: z.number().min(0).max(1),
    layer: z.number().int().min(0).optional(),
  }),
])

export type ClientMessage = z.infer<typeof clientSchema>

/** A run as the page's table shows it. */
export interface RunRow extends LiveRunSummary {
  color: { light: string; dark: string }
  /** Whether its line is dashed in figures of one colour a run, because the colour is that of another run as well. */
  isDashed: boolean
  /** Whether this server's session trains it now, so that it can be paused and stopped. */
  isActive: boolean
  isPaused: boolean
}

export type ServerMessage =
  /** `walk`: names of the steps that this client may ask for, at `walk/NAME.svg`; `canScore`: whether it may ask for `gates/scores`. */
  | { type: 'hello'; canWrite: boolean; hasSession: boolean; canScore: boolean; walk: readonly string[] }
  | { type: 'runs'; runs: RunRow[] }
  /** The run's past has changed: what the client holds of it is void. Records follow from `next`. */
  | { type: 'reset'; run: string; next: number }
  | { type: 'gates'; gates: [layer: number, value: number][] }
  | {
      type: 'figure'
      figure: string
      title: string
      caption: string
      isWide: boolean
      hasData: boolean
      plotly: PlotlyFigure
    }
  | { type: 'result'; id: number; error: string | null }
  | { type: 'error'; message: string }

/** A message of records; they are passed on as they stand in the file, numbers that JSON does not have as strings. */
export function recordsMessage(
  run: string,
  { from, mark, lines }: { from: number; mark: number; lines: readonly string[] },
): string {
  const head = JSON.stringify({ type: 'records', run, from, next: from + lines.length, mark })
  return `${head.slice(0, -1)},"records":[${lines.join(',')}]}`
}

function reason(error: z.ZodError): string {
  const [issue] = error.issues
  return `${issue?.path.join('.') || 'message'}: ${issue?.message}`
}

/** @throws LabError LIVE_MESSAGE for anything that is not a message of a client */
export function parseClientMessage(text: string): ClientMessage {
  return parsed(clientSchema, text)
}

/** @throws LabError LIVE_MESSAGE */
export function parseView(text: string): View {
  return parsed(viewSchema, text)
}

function parsed<T>(schema: z.ZodType<T>, text: string): T {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new LabError('LIVE_MESSAGE', `expected JSON, got ${JSON.stringify(text.slice(0, 60))}`, { cause })
  }
  const result = schema.safeParse(value)
  if (!result.success) throw new LabError('LIVE_MESSAGE', reason(result.error))
  return result.data
}
