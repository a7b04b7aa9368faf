import { LabError } from '../util/errors.js'

/** What to do with input whose content is bad: stop, pass over it and tell, or pass over it and only count. */
export type FaultPolicy = 'error' | 'warn' | 'skip'

/** Why a shard could not be read (further). */
export const SHARD_FAULTS = [
  'missing',
  'changed',
  'truncated',
  'corrupt',
  'checksum',
  'schema',
  'row-group-too-large',
  'read',
] as const
export type ShardFaultCause = (typeof SHARD_FAULTS)[number]

/** Causes that lie in the bytes themselves. Of the others (a file or disk or network that is away) the next attempt may be free. */
const CONTENT_FAULTS: ReadonlySet<ShardFaultCause> = new Set([
  'truncated',
  'corrupt',
  'checksum',
  'schema',
  'row-group-too-large',
])

/** Why one document could not be used although its shard could be read on. */
export const DOCUMENT_FAULTS = ['utf8', 'json', 'field', 'too-long', 'surrogate'] as const
export type DocumentFaultCause = (typeof DOCUMENT_FAULTS)[number]

/** A shard that cannot be read from some point on. `code` is `DATA_SHARD_<CAUSE>`. */
export class ShardFault extends LabError {
  constructor(
    readonly reason: ShardFaultCause,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(`DATA_SHARD_${codeOf(reason)}`, message, options)
  }

  /** Whether the same bytes would fail again, so that the rest of the shard may be passed over for good. */
  get isOfContent(): boolean {
    return CONTENT_FAULTS.has(this.reason)
  }
}

/** One document that cannot be used. `code` is `DATA_DOCUMENT_<CAUSE>`. */
export class DocumentFault extends LabError {
  constructor(
    readonly reason: DocumentFaultCause,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(`DATA_DOCUMENT_${codeOf(reason)}`, message, options)
  }
}

function codeOf(reason: string): string {
  return reason.toUpperCase().replaceAll('-', '_')
}
