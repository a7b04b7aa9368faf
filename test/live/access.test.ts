import type { IncomingMessage } from 'node:http'
import { describe, expect, it } from 'vitest'
import { Access, isLoopbackOrigin, isOwnHost, isOwnOrigin } from '../../src/live/access.js'

const request = (headers: Record<string, string>) => ({ headers }) as unknown as IncomingMessage

describe('access', () => {
  it('tells its two tokens apart and knows no other', () => {
    const access = new Access()
    expect(access.permissionOf(access.tokens.read)).toBe('read')
    expect(access.permissionOf(access.tokens.write)).toBe('write')
    for (const token of [
      null,
      '',
      'x',
      access.tokens.read.slice(1),
      `${access.tokens.read} `,
      new Access().tokens.read,
    ])
      expect(access.permissionOf(token)).toBeNull()
  })

  it('gives one token for a ticket, once, within two minutes', () => {
    let now = 0
    const access = new Access({ now: () => now })
    const ticket = access.issueTicket('read')
    expect(access.permissionOf(ticket)).toBeNull()
    const token = access.redeem(ticket)!
    expect(access.permissionOf(token)).toBe('read')
    expect(access.redeem(ticket)).toBeNull()
    const late = access.issueTicket('write')
    now = 120_000
    expect(access.redeem(late)).toBeNull()
    expect(access.permissionOf(token)).toBe('read')
  })

  it('takes only its own names for its host and only its own pages for an origin', () => {
    expect(isOwnHost(request({ host: '127.0.0.1:80' }), 80)).toBe(true)
    for (const host of ['evil.example:80', '127.0.0.1:81', '127.0.0.1.evil.example:80', ''])
      expect(isOwnHost(request({ host }), 80)).toBe(false)
    expect(isOwnOrigin(request({}), 80)).toBe(true)
    for (const origin of ['http://evil.example', 'null', 'http://127.0.0.1:81', 'https://127.0.0.1:80'])
      expect(isOwnOrigin(request({ origin }), 80)).toBe(false)
  })

  it('knows the pages of this machine', () => {
    for (const origin of ['http://localhost:8888', 'http://127.0.0.1:8890', 'https://localhost:1'])
      expect(isLoopbackOrigin(origin)).toBe(true)
    for (const origin of [
      'null',
      'http://[::1]:1',
      'ws://localhost:1',
      'http://localhost.evil.example',
      'https://evil.example',
      'file://',
      '',
    ])
      expect(isLoopbackOrigin(origin)).toBe(false)
  })
})
