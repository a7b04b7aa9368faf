import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'

/** What the bearer of a token may do. */
export type Permission = 'read' | 'write'

/** Time within which a ticket must be exchanged, in milliseconds. */
const TICKET_MS = 120_000

function secret(): string {
  return randomBytes(32).toString('base64url')
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** The two tokens of a server. */
export interface LiveTokens {
  /** May look. */
  read: string
  /** May look, pause, resume, stop and move gates. */
  write: string
}

/** Tokens of 256 random bits. */
export function randomTokens(): LiveTokens {
  return { read: secret(), write: secret() }
}

interface Ticket {
  digest: Buffer
  permission: Permission
  expiresMs: number
}

/**
 * Who may talk to a server: bearers of its two tokens, and of tokens that were given for a ticket. A ticket is worth one token, once,
 * within two minutes; so it may stand in a notebook that is saved. Tokens live as long as the server.
 */
export class Access {
  // private, so that no inspection of a server prints them into a notebook that is saved
  readonly #tokens: LiveTokens
  readonly #now: () => number
  #known: { digest: Buffer; permission: Permission; ticket?: Buffer }[]
  #tickets: Ticket[] = []

  /** @param options tokens to go on with, so that pages that are open survive a restart (default new ones); a clock */
  constructor({ tokens = randomTokens(), now = Date.now }: { tokens?: LiveTokens; now?: () => number } = {}) {
    this.#tokens = tokens
    this.#now = now
    this.#known = [
      { digest: digest(tokens.read), permission: 'read' },
      { digest: digest(tokens.write), permission: 'write' },
    ]
  }

  get tokens(): LiveTokens {
    return this.#tokens
  }

  /** What a token allows; null when it is none of ours. Compares in constant time. */
  permissionOf(token: string | null): Permission | null {
    return token === null ? null : (this.#find(token)?.permission ?? null)
  }

  /** Whether a token was given for this ticket. */
  isFrom(ticket: string, token: string): boolean {
    return this.#find(token)?.ticket?.equals(digest(ticket)) ?? false
  }

  /** A ticket that can be exchanged for a token once, within two minutes. */
  issueTicket(permission: Permission): string {
    this.#dropOld()
    const ticket = secret()
    this.#tickets.push({ digest: digest(ticket), permission, expiresMs: this.#now() + TICKET_MS })
    return ticket
  }

  /** A new token for a ticket, which is spent by it; null when the ticket is spent, too old or unknown. */
  redeem(ticket: string): string | null {
    this.#dropOld()
    const given = digest(ticket)
    const found = this.#tickets.find(known => timingSafeEqual(known.digest, given))
    if (!found) return null
    this.#tickets = this.#tickets.filter(other => other !== found)
    const token = secret()
    this.#known = [...this.#known, { digest: digest(token), permission: found.permission, ticket: given }]
    return token
  }

  #find(token: string) {
    const given = digest(token)
    return this.#known.find(known => timingSafeEqual(known.digest, given))
  }

  #dropOld(): void {
    this.#tickets = this.#tickets.filter(ticket => ticket.expiresMs > this.#now())
  }
}

/** Whether a request names this machine as its host; a name that an attacker's DNS points at 127.0.0.1 is refused. */
export function isOwnHost({ headers: { host = '' } }: IncomingMessage, port: number): boolean {
  return host === `127.0.0.1:${port}` || host === `localhost:${port}`
}

/** Whether a request comes from a page of this server, or from no page at all (a program, which needs the token all the same). */
export function isOwnOrigin({ headers: { origin } }: IncomingMessage, port: number): boolean {
  return origin === undefined || origin === `http://127.0.0.1:${port}` || origin === `http://localhost:${port}`
}

const loopbackNames = ['127.0.0.1', 'localhost'] as const

/**
 * Pages of this machine, such as a notebook's, as sources of a content security policy: they may frame the live page and exchange tickets.
 * `[::1]` is not among them, because a policy has no way to write it.
 */
export const loopbackSources = ['http', 'https'].flatMap(scheme => loopbackNames.map(name => `${scheme}://${name}:*`))

/** Whether an origin is one of {@link loopbackSources}. */
export function isLoopbackOrigin(origin: string): boolean {
  if (!URL.canParse(origin)) return false
  const { protocol, hostname } = new URL(origin)
  return loopbackSources.includes(`${protocol}//${hostname}:*`)
}
