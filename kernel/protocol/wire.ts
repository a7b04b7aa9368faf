/**
 * The wire format of Jupyter messages (messaging protocol 5.5, "The wire protocol"), as pure functions.
 * A message is the list of frames `[...identities, "<IDS|MSG>", signature, header, parent header, metadata, content, ...buffers]`;
 * the signature is the HMAC of the four JSON frames as they are on the wire, in lower-case hexadecimal.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'

export type Json = Record<string, unknown>

/** What identifies a message. `version` is that of the protocol. */
export interface Header {
  msg_id: string
  session: string
  username: string
  date: string
  msg_type: string
  version: string
  [extra: string]: unknown
}

/** A message that was received, checked and parsed. */
export interface Message {
  /** Routing frames: the address of the peer on a ROUTER socket. */
  identities: Uint8Array[]
  header: Header
  /** The header of the message that this one answers; null when it answers none. */
  parentHeader: Header | null
  metadata: Json
  content: Json
  buffers: Uint8Array[]
}

/** A message to send; `content` may be JSON text that was made elsewhere. */
export interface OutgoingMessage {
  identities: readonly Uint8Array[]
  header: Header
  parentHeader: Header | null
  metadata?: Json
  content: Json | string
  buffers?: readonly Uint8Array[]
}

/** A secret that both ends know; an empty key means that nothing is signed. */
export interface SigningKey {
  key: string
  /** Name of the digest, as node:crypto knows it: `sha256`. */
  digest: string
}

/** Why frames are not a message: the signature is wrong, or what is signed is not in the format. */
export class WireError extends Error {
  readonly kind: 'signature' | 'malformed'

  constructor(kind: 'signature' | 'malformed', message: string) {
    super(message)
    this.name = 'WireError'
    this.kind = kind
  }
}

const delimiter = Buffer.from('<IDS|MSG>')
/** Signature, header, parent header, metadata, content. */
const fixedFrames = 5
const emptyObject = Buffer.from('{}')

/** The signature of JSON frames; empty without a key. */
export function signFrames(frames: readonly Uint8Array[], { key, digest }: SigningKey): string {
  if (key === '') return ''
  const hmac = createHmac(digest, key)
  for (const frame of frames) hmac.update(frame)
  return hmac.digest('hex')
}

/** Whether two signatures are equal, in a time that does not depend on where they differ. */
function sameSignature(given: Uint8Array, expected: string): boolean {
  const wanted = Buffer.from(expected)
  return given.byteLength === wanted.byteLength && timingSafeEqual(given, wanted)
}

const decoder = new TextDecoder('utf-8', { fatal: true })

function parseObject(frame: Uint8Array, name: string): Json {
  let value: unknown
  try {
    value = JSON.parse(decoder.decode(frame))
  } catch {
    throw new WireError('malformed', `${name} is not JSON in UTF-8`)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new WireError('malformed', `${name} is not a JSON object`)
  return value as Json
}

function asHeader(value: Json, name: string): Header {
  for (const field of ['msg_id', 'session', 'msg_type'] as const)
    if (typeof value[field] !== 'string') throw new WireError('malformed', `${name} has no text "${field}"`)
  return { username: '', date: '', version: '5.0', ...value } as Header
}

/**
 * Parses the frames of one message.
 * @throws WireError when the signature is wrong (checked before anything is parsed) or the frames are not a message
 */
export function parseMessage(frames: readonly Uint8Array[], key: SigningKey): Message {
  const at = frames.findIndex(frame => delimiter.equals(frame))
  if (at < 0) throw new WireError('malformed', 'no frame is the delimiter "<IDS|MSG>"')
  const [signature, ...rest] = frames.slice(at + 1)
  if (!signature || rest.length < fixedFrames - 1)
    throw new WireError('malformed', `${fixedFrames} frames belong after the delimiter, got ${frames.length - at - 1}`)
  const [header, parent, metadata, content, ...buffers] = rest as [Uint8Array, Uint8Array, Uint8Array, Uint8Array]
  if (key.key !== '' && !sameSignature(signature, signFrames([header, parent, metadata, content], key)))
    throw new WireError('signature', 'the signature does not fit the message')
  const parentHeader = parseObject(parent, 'the parent header')
  return {
    identities: frames.slice(0, at),
    header: asHeader(parseObject(header, 'the header'), 'the header'),
    parentHeader: Object.keys(parentHeader).length === 0 ? null : asHeader(parentHeader, 'the parent header'),
    metadata: parseObject(metadata, 'the metadata'),
    content: parseObject(content, 'the content'),
    buffers,
  }
}

/** The frames of a message, signed. */
export function serializeMessage(message: OutgoingMessage, key: SigningKey): Uint8Array[] {
  const { identities, header, parentHeader, metadata, content, buffers = [] } = message
  const signed = [
    jsonFrame(header),
    parentHeader ? jsonFrame(parentHeader) : emptyObject,
    metadata ? jsonFrame(metadata) : emptyObject,
    typeof content === 'string' ? Buffer.from(content) : jsonFrame(content),
  ]
  return [...identities, delimiter, Buffer.from(signFrames(signed, key)), ...signed, ...buffers]
}

function jsonFrame(value: Json): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}
