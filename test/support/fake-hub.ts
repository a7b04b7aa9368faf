import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A file of a fake repository; large files are stored as on the real hub: hash SHA-256, served from another origin. */
export interface FakeFile {
  bytes: Uint8Array
  large?: boolean
}

export interface FakeRepo {
  type: 'model' | 'dataset'
  name: string
  commit: string
  files: Record<string, FakeFile>
  /** Only this token may read the repository. */
  token?: string
  gated?: boolean
}

export interface SeenRequest {
  method: string
  path: string
  headers: IncomingMessage['headers']
  /** Whether it reached the origin that holds large files. */
  storage: boolean
}

/** What to do instead of (or before) the right answer; `serve` gives the right answer. */
export type Fault = (request: IncomingMessage, response: ServerResponse, serve: () => void) => void

export interface FakeHub {
  url: string
  requests: SeenRequest[]
  /** Requests for file contents whose path contains the text. */
  bodies(name: string): SeenRequest[]
  /** The next `times` requests whose path matches get the fault. */
  fault(path: RegExp, times: number, fault: Fault): void
  close(): Promise<void>
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export function gitBlobId(bytes: Uint8Array): string {
  return createHash('sha1').update(`blob ${bytes.byteLength}\0`).update(bytes).digest('hex')
}

/** Serves one content with ETag, Range and If-Range. */
export function serveBytes(request: IncomingMessage, response: ServerResponse, bytes: Uint8Array, etag: string): void {
  const total = bytes.byteLength
  const headers: Record<string, string> = { etag, 'accept-ranges': 'bytes', 'content-type': 'application/octet-stream' }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
  const ifRange = request.headers['if-range']
  const start = Number(range?.[1] ?? 0)
  const end = range?.[2] ? Math.min(Number(range[2]) + 1, total) : total
  if (!range || (ifRange !== undefined && ifRange !== etag)) {
    response.writeHead(200, { ...headers, 'content-length': String(total) })
    response.end(request.method === 'HEAD' ? undefined : bytes)
  } else if (start >= total) {
    response.writeHead(416, { 'content-range': `bytes */${total}` }).end()
  } else {
    const part = bytes.subarray(start, end)
    headers['content-range'] = `bytes ${start}-${end - 1}/${total}`
    response.writeHead(206, { ...headers, 'content-length': String(part.byteLength) }).end(part)
  }
}

function json(response: ServerResponse, status: number, value: unknown, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  json(response, status, { error: message }, { 'x-error-code': code, 'x-error-message': message })
}

function listed([path, { bytes, large }]: [string, FakeFile]) {
  const size = bytes.byteLength
  const lfs = large ? { oid: sha256(bytes), size, pointerSize: 130 } : undefined
  return { type: 'file', path, size, oid: gitBlobId(bytes), ...(lfs && { lfs }) }
}

/** Two entries a page, so that every listing is paged; folders are listed too, as on the real hub. */
function serveTree(response: ServerResponse, repo: FakeRepo, url: URL): void {
  const folders = new Set(
    Object.keys(repo.files)
      .filter(path => path.includes('/'))
      .map(path => path.split('/')[0]!),
  )
  const entries = [
    ...[...folders].map(path => ({ type: 'directory', path, size: 0, oid: 'f'.repeat(40) })),
    ...Object.entries(repo.files).map(listed),
  ]
  const at = Number(url.searchParams.get('cursor') ?? 0)
  const more = at + 2 < entries.length
  url.searchParams.set('cursor', String(at + 2))
  json(response, 200, entries.slice(at, at + 2), more ? { link: `<${url.href}>; rel="next"` } : {})
}

async function listen(server: Server): Promise<string> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** An imitation of the hub on two loopback ports: the API with small files, and the storage of large files. */
export async function startFakeHub(repos: FakeRepo[]): Promise<FakeHub> {
  const requests: SeenRequest[] = []
  const faults: { path: RegExp; times: number; fault: Fault }[] = []
  const handled = (storage: boolean, serve: (request: IncomingMessage, response: ServerResponse) => void) =>
    createServer((request, response) => {
      const path = request.url ?? '/'
      requests.push({ method: request.method ?? '', path, headers: request.headers, storage })
      const planned = faults.find(fault => fault.times > 0 && fault.path.test(path))
      if (!planned) return serve(request, response)
      planned.times--
      planned.fault(request, response, () => serve(request, response))
    })

  const storage = handled(true, (request, response) => {
    const id = decodeURIComponent(request.url ?? '').split('/')[2]
    const file = repos.flatMap(repo => Object.values(repo.files)).find(({ bytes }) => sha256(bytes) === id)
    serveBytes(request, response, file!.bytes, `"storage-${id!.slice(0, 8)}"`)
  })
  const storageUrl = await listen(storage)

  const api = handled(false, (request, response) => {
    const url = new URL(request.url ?? '/', apiUrl)
    const path = decodeURIComponent(url.pathname)
    const match =
      /^\/api\/(model|dataset)s\/([^/]+\/[^/]+)\/(revision|tree)\/(.+)$/.exec(path) ??
      /^(?:\/(dataset)s)?\/([^/]+\/[^/]+)\/(resolve)\/([^/]+)\/(.+)$/.exec(path)
    const [, type = 'model', name, action, revision, file] = match ?? []
    const repo = repos.find(known => known.type === type && known.name === name)
    const authorized = !repo?.token || request.headers.authorization === `Bearer ${repo.token}`
    if (!repo && !request.headers.authorization)
      return refuse(response, 401, 'RepoNotFound', 'Invalid username or password.')
    if (!repo) return refuse(response, 404, 'RepoNotFound', 'Repository not found')
    if (!authorized && repo.gated)
      return refuse(response, request.headers.authorization ? 403 : 401, 'GatedRepo', 'Access is restricted')
    if (!authorized) return refuse(response, 401, 'RepoNotFound', 'Invalid username or password.')
    if (revision !== 'main' && revision !== 'refs/pr/1' && revision !== repo.commit) {
      return refuse(response, 404, 'RevisionNotFound', 'Invalid rev id')
    }
    if (action === 'revision')
      return json(response, 200, { _id: '1', id: name, sha: repo.commit, lastModified: '2026-01-01T00:00:00.000Z' })
    if (action === 'tree') return serveTree(response, repo, url)
    const found = repo.files[file!]
    if (!found) return refuse(response, 404, 'EntryNotFound', 'Entry not found')
    response.setHeader('x-repo-commit', repo.commit)
    if (!found.large) return serveBytes(request, response, found.bytes, `"${gitBlobId(found.bytes)}"`)
    response.setHeader('x-linked-size', String(found.bytes.byteLength))
    response.setHeader('x-linked-etag', `"${sha256(found.bytes)}"`)
    response
      .writeHead(302, { location: `${storageUrl}/blob/${sha256(found.bytes)}/${file}`, 'content-length': '0' })
      .end()
  })
  const apiUrl = await listen(api)

  return {
    url: apiUrl,
    requests,
    bodies: name =>
      requests.filter(({ path, method, storage }) => {
        const isContent = storage || (path.includes('/resolve/') && !isLarge(repos, path))
        return method === 'GET' && isContent && path.includes(name)
      }),
    fault: (path, times, fault) => faults.push({ path, times, fault }),
    async close() {
      for (const server of [api, storage]) {
        server.closeAllConnections()
        await new Promise(resolve => server.close(resolve))
      }
    },
  }
}

function isLarge(repos: FakeRepo[], path: string): boolean {
  return repos.some(repo => Object.entries(repo.files).some(([name, file]) => file.large && path.endsWith(`/${name}`)))
}
