/** The data part of a run: tokenizer, probes, and the stream of batches that never contains a probe's documents. */
import type { HubEvent } from '../checkpoint/hub-client.js'
import type { Dataset } from '../data/dataset.js'
import { hubFiles, type RemoteFiles } from '../data/hub-files.js'
import { type Loader, type LoaderEvents, openLoader } from '../data/loader.js'
import { openProbe, type Probe, type ProbeOptions } from '../data/probe.js'
import { TokenizerPool } from '../tokenizer/pool.js'
import { openTokenizer, type Tokenizer } from '../tokenizer/tokenizer.js'
import type { Recipe } from '../train/recipe.js'
import { Emitter } from '../util/emitter.js'
import { formatDuration } from '../util/format.js'
import { dataFileNames, openDataset } from './open-dataset.js'
import { filesOfRun, Pins, pinnedTo } from './pinned-sources.js'
import type { RunEvents } from './run-events.js'

export interface RunData {
  readonly tokenizer: Tokenizer
  readonly probes: readonly Probe[]
  /** Pinned paths of every file of every source, for run.json. */
  readonly sources: readonly { name: string; hash: string; weight: number; files: string[] }[]
  /** {@link Dataset.sampleLocalFiles} of every source by its name. */
  readonly samples: Readonly<Record<string, string>>
  /** Opens the stream, from the start or after the batch that carried `state`. It waits out long outages of the network. */
  openLoader(state?: unknown): Loader
  /** Ends the tokenizer's threads; dispose loaders first. */
  dispose(): Promise<void>
}

/** Retries while training: a run of days waits for about half an hour (each retry is told) before an outage ends it. */
const patient = { maxAttempts: 70, capMs: 60_000 }

/**
 * @param tokenizerPath directory or file of the tokenizer
 * @param signal ends the opening; what is read later ends when its loader is disposed
 * @param resumed directory of the run that goes on: data on the hub are those that it was started with
 * @throws the signal's reason when aborted
 */
export async function openRunData(
  recipe: Recipe,
  tokenizerPath: string,
  {
    events: runEvents,
    signal,
    resumed,
  }: { events: Emitter<RunEvents>; signal?: AbortSignal | undefined; resumed?: string | undefined },
): Promise<RunData> {
  const events = loaderEvents(runEvents)
  const stoppable = hubFiles(signal ? { signal } : {})
  const tokenizer = await openTokenizer(tokenizerPath)
  const pool = await TokenizerPool.open(tokenizerPath)
  try {
    const tokenize = (texts: string[]) => pool.encodeBatch(texts)
    const tokenizeNow = async (texts: string[]) => {
      signal?.throwIfAborted()
      return tokenize(texts)
    }
    const { bosTokenId, eosTokenId } = tokenizer
    const { seqLen, windowDocs, onBadShard, onBadDocument } = recipe.data
    const known = resumed === undefined ? [] : filesOfRun(resumed)
    const encoding = { tokenize: tokenizeNow, bosTokenId, eosTokenId }
    const reading = hubFiles({ retry: patient, onEvent: cacheNotice(runEvents) })
    const pins = new Pins()
    const sources = await openSources(recipe, { list: stoppable.list, open: reading.open }, { known, pins })
    // probes are often of the repository and the branch of a source; the run tells when they are not the ones of its start
    const probes = await openProbes(recipe, encoding, pins.of(stoppable))
    const samples: Record<string, string> = {}
    for (const { manifest } of sources) {
      signal?.throwIfAborted()
      samples[manifest.name] = await manifest.sampleLocalFiles()
    }
    signal?.throwIfAborted()
    const excludeHashes = new Set(probes.flatMap(probe => [...probe.documentHashes]))
    const common = {
      sources,
      seed: recipe.seed,
      seqLen,
      microBatch: recipe.batch.microBatch,
      windowDocs,
      onBadShard,
      onBadDocument,
    }
    return {
      tokenizer,
      probes,
      samples,
      sources: sources.map(({ manifest: { name, hash, files }, weight }) => ({
        name,
        hash,
        weight,
        files: files.map(f => f.path),
      })),
      openLoader: state =>
        openLoader({
          ...common,
          excludeHashes,
          tokenize,
          tokenizerHash: tokenizer.hash,
          bosTokenId,
          eosTokenId,
          events,
          ...(state === undefined ? {} : { state }),
        }),
      dispose: async () => pool.dispose(),
    }
  } catch (error) {
    await pool.dispose()
    signal?.throwIfAborted()
    throw error
  }
}

async function openProbes(
  { probes: wanted, data: { seqLen } }: Recipe,
  encoding: Pick<ProbeOptions, 'tokenize' | 'bosTokenId' | 'eosTokenId'>,
  remote: RemoteFiles,
): Promise<Probe[]> {
  const probes: Probe[] = []
  for (const { name, manifest, subset, maxTokens, maxDocumentBytes } of wanted) {
    const dataset = await openDataset(manifest, { name, remote, ...(subset === undefined ? {} : { subset }) })
    const limit = maxDocumentBytes === undefined ? {} : { maxDocumentBytes }
    probes.push(await openProbe({ name, manifest: dataset, maxTokens, seqLen, ...encoding, ...limit }))
  }
  return probes
}

function openSources(
  { data: { sources } }: Recipe,
  remote: RemoteFiles,
  { known, pins }: { known: readonly string[][]; pins: Pins },
): Promise<{ manifest: Dataset; weight: number }[]> {
  const names = dataFileNames(sources.map(source => source.manifest))
  const open = async ({ manifest, subset, weight }: (typeof sources)[number], i: number) => {
    const name = names[i]
    const naming = { ...(subset === undefined ? {} : { subset }), ...(name === undefined ? {} : { name }) }
    const pinned = pinnedTo(known[i] ?? [], remote, pins)
    return { manifest: await openDataset(manifest, { ...naming, remote: pinned }), weight }
  }
  return Promise.all(sources.map(open))
}

/** Warns once of a cache that cannot be written; every shard would tell it again. */
function cacheNotice(events: Emitter<RunEvents>): (event: HubEvent) => void {
  let isTold = false
  return event => {
    if (event.kind !== 'uncached' || isTold) return
    isTold = true
    const message = `what is read from the hub cannot be cached, so later epochs fetch it again: ${event.reason}`
    events.emit('warning', { message })
  }
}

/** What the loader reports, as warnings of the run. */
function loaderEvents(events: Emitter<RunEvents>): Emitter<LoaderEvents> {
  const out = new Emitter<LoaderEvents>()
  const warn = (message: string) => events.emit('warning', { message })
  out.on('badShard', ({ source, message, level }) => {
    if (level === 'warn') warn(`${source}: the rest of a shard is passed over: ${message}`)
  })
  out.on('badDocument', ({ source, message, level }) => {
    if (level === 'warn') warn(`${source}: a document is passed over: ${message}`)
  })
  out.on('retry', ({ source, what, attempt, maxAttempts, reason, waitMs }) => {
    warn(
      `${source}: ${what} failed (${reason}); attempt ${attempt} of ${maxAttempts}, trying again in ${formatDuration(waitMs / 1000)}`,
    )
  })
  return out
}
