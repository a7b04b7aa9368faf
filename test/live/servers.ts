import { afterAll, afterEach } from 'vitest'
import type { LiveControls } from '../../src/live/controls.js'
import { LiveServer } from '../../src/live/server.js'
import { temporaryDirectory } from '../support/temporary.js'
import { Watcher } from './support.js'

/** Servers and pages of one test file: pages are closed after each test, servers and their folder with the file. */
export function liveServers() {
  const root = temporaryDirectory('live')
  const servers: LiveServer[] = []
  const watchers: Watcher[] = []
  afterEach(() => {
    for (const watcher of watchers.splice(0)) watcher.close()
  })
  afterAll(() => Promise.all(servers.map(server => server.close())))
  const serve = async (dir: string, options: { controls?: LiveControls; port?: number } = {}): Promise<LiveServer> => {
    const server = await LiveServer.start({ runs: [dir], ...options })
    servers.push(server)
    return server
  }
  const watch = async (url: string): Promise<Watcher> => {
    const watcher = Watcher.of(url)
    watchers.push(watcher)
    return watcher.opened()
  }
  const part = (server: LiveServer, path: string, token = server.access.tokens.read): Promise<Response> => {
    const url = new URL(path, server.url)
    url.searchParams.set('token', token)
    return fetch(url)
  }
  return { root, watchers, serve, watch, part }
}
