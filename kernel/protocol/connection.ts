/** The connection file: where a front end expects the five sockets of a kernel, and the key that signs their messages. */

import { getHashes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { SigningKey } from './wire.js'

export const channels = ['shell', 'iopub', 'stdin', 'control', 'hb'] as const
export type Channel = (typeof channels)[number]

export interface ConnectionInfo {
  transport: 'tcp' | 'ipc'
  /** Address for `tcp`, path for `ipc`. */
  ip: string
  ports: Record<Channel, number>
  signing: SigningKey
}

/**
 * Checks the content of a connection file.
 * @throws Error that names the field which is missing or wrong
 */
export function parseConnection(value: unknown): ConnectionInfo {
  if (typeof value !== 'object' || value === null) throw new Error('the connection file is not a JSON object')
  const given = value as Record<string, unknown>
  const { transport = 'tcp', ip = '127.0.0.1', key = '' } = given
  if (transport !== 'tcp' && transport !== 'ipc')
    throw new Error(`connection file: "transport" is "tcp" or "ipc", got ${JSON.stringify(transport)}`)
  if (typeof ip !== 'string' || typeof key !== 'string') throw new Error('connection file: "ip" and "key" are texts')
  const ports = Object.fromEntries(channels.map(channel => [channel, portOf(given, channel)]))
  return { transport, ip, ports: ports as ConnectionInfo['ports'], signing: { key, digest: digestOf(given) } }
}

function portOf(given: Record<string, unknown>, channel: Channel): number {
  const port = given[`${channel}_port`]
  if (Number.isInteger(port) && (port as number) > 0 && (port as number) < 65_536) return port as number
  throw new Error(`connection file: "${channel}_port" is a port from 1 to 65535, got ${JSON.stringify(port)}`)
}

/** `hmac-sha256` -> `sha256`. */
function digestOf({ signature_scheme: scheme = 'hmac-sha256' }: Record<string, unknown>): string {
  const digest = typeof scheme === 'string' && scheme.startsWith('hmac-') ? scheme.slice('hmac-'.length) : ''
  if (getHashes().includes(digest)) return digest
  throw new Error(`connection file: "signature_scheme" is "hmac-sha256", got ${JSON.stringify(scheme)}`)
}

/** Reads a connection file. */
export function readConnectionFile(path: string): ConnectionInfo {
  return parseConnection(JSON.parse(readFileSync(path, 'utf8')))
}

/** The address that ZeroMQ binds for a channel: `tcp://127.0.0.1:5555`, or `ipc://path-5555`. */
export function endpoint({ transport, ip, ports }: ConnectionInfo, channel: Channel): string {
  return transport === 'tcp' ? `tcp://${ip}:${ports[channel]}` : `ipc://${ip}-${ports[channel]}`
}
