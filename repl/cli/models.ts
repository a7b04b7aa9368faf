import { type Checkpoint, type HubEvent, isHubAddress, openHubCheckpoint, resolveModelDir } from '../../src/index.js'
import type { CommandContext } from './context.js'

/** What happened on the way to the hub, as a line. */
function eventText(event: HubEvent): string {
  switch (event.kind) {
    case 'retry':
      return `trying again: ${event.what} (${event.reason})`
    case 'resume':
      return `going on with ${event.path}`
    case 'restart':
      return `beginning ${event.path} again: ${event.reason}`
    case 'wait':
      return `waiting for another process that downloads ${event.path}`
    case 'cached':
      return `using what is in the cache: ${event.reason}`
    case 'uncached':
      return `not kept in the cache: ${event.path} (${event.reason})`
  }
}

/** A model of the hub without its weights; null for a local one. */
export async function hubCheckpoint(
  { out, io: { signal, env } }: CommandContext,
  where: string,
): Promise<Checkpoint | null> {
  if (!isHubAddress(where)) return null
  return openHubCheckpoint(where, { signal, env, onEvent: event => out.note(eventText(event)) })
}

/** The directory of a model that is named on the command line; one of the hub is fetched under a progress bar. */
export async function modelDirectory({ out, io: { signal, env } }: CommandContext, where: string): Promise<string> {
  if (!isHubAddress(where)) return resolveModelDir(where, { signal })
  return out.progress({ label: 'downloading', unit: 'bytes' }, progress =>
    resolveModelDir(where, {
      signal,
      env,
      onProgress: ({ bytes, totalBytes }) => progress.update(bytes, { total: totalBytes }),
      onEvent: event => progress.log(eventText(event)),
    }),
  )
}
