import { LabError } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'

/** A place on the Hugging Face Hub: `hf://[datasets/]owner/name[@revision][/path]`. */
export interface HubAddress {
  repoType: 'model' | 'dataset'
  /** `owner/name`. */
  repo: string
  /** A branch, tag, `refs/pr/N` or commit; null is the branch `main`. */
  revision: string | null
  /** A file, folder or glob inside the repository; empty is its root. */
  path: string
}

const FORM = 'hf://owner/name[@revision][/path] for a model or hf://datasets/owner/name[@revision]/path for a data set'
const NAME = /^(?!.*(--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9_])?$/
const SLASHED_REVISION = /^refs\/(?:pr\/\d+|convert\/[\w.-]+)(?=\/|$)/
const OTHER_KINDS = ['spaces', 'buckets', 'kernels']
/** A full commit id, the only kind of revision that never moves. */
export const COMMIT_PATTERN: RegExp = /^[0-9a-f]{40}$/

function bad(text: string, what: string): LabError {
  return new LabError('HUB_ADDRESS', `${JSON.stringify(text)} is not a hub address: ${what}. Expected ${FORM}.`)
}

/** Whether a text is meant as a hub address rather than a local path; a web address is, so that it gets the right form told. */
export function isHubAddress(text: string): boolean {
  return /^(hf:|https?:\/\/)/i.test(text)
}

/** Whether every segment of a path inside a repository is a plain name: no `..`, no empty one, no control character. */
export function isSafeRepoPath(path: string): boolean {
  return path.split('/').every(part => part !== '' && part !== '.' && part !== '..' && !/[\\\p{Cc}]/u.test(part))
}

/**
 * Parses an address. A revision that holds a slash is written with `%2F`, except `refs/pr/N` and `refs/convert/NAME`.
 * @throws LabError `HUB_ADDRESS` that says which part is wrong
 */
export function parseHubAddress(text: string): HubAddress {
  if (!text.startsWith('hf://')) throw bad(text, `it does not start with "hf://"${hintForUrl(text)}`)
  let rest = text.slice('hf://'.length)
  let repoType: HubAddress['repoType'] = 'model'
  const kind = /^([^/]*)\/(?=[^/]+\/)/.exec(rest)?.[1]
  if (kind === 'datasets' || kind === 'models') {
    repoType = kind === 'datasets' ? 'dataset' : 'model'
    rest = rest.slice(kind.length + 1)
  } else if (kind !== undefined && OTHER_KINDS.includes(kind)) {
    throw bad(text, `"${kind}" hold no models or data sets`)
  }
  const { repo, after } = takeRepo(text, rest)
  const { revision, path } = takeRevision(text, after)
  if (path !== '' && !isSafeRepoPath(path)) throw bad(text, `the path "${path}" has an empty, "." or ".." segment`)
  return { repoType, repo, revision, path }
}

function hintForUrl(text: string): string {
  const url =
    /^https?:\/\/[^/]+\/((?:datasets\/)?[^/]+\/[^/]+)(?:\/(?:tree|blob|resolve|raw)\/([^/]+)(\/[^?#]*)?)?\/?$/.exec(
      text,
    )
  if (!url) return didYouMean(text.slice(0, 5), ['hf://'])
  return `; for this page write hf://${url[1]}${url[2] ? `@${url[2]}` : ''}${url[3] ?? ''}`
}

function takeRepo(text: string, rest: string): { repo: string; after: string } {
  const match = /^([^/@]*)(?:\/([^/@]*))?([\s\S]*)$/.exec(rest)!
  const [, owner = '', name, after = ''] = match
  if (name === undefined) throw bad(text, `"${owner}" has no owner; the hub's old short names are now owner/name too`)
  for (const part of [owner, name]) {
    if (NAME.test(part) && !part.endsWith('.git')) continue
    throw bad(text, `"${part}" is not a name (letters, digits, "-", "_", "."; at most 96; no "--" or "..")`)
  }
  return { repo: `${owner}/${name}`, after }
}

function takeRevision(text: string, after: string): { revision: string | null; path: string } {
  const trimmed = after.replace(/\/$/, '')
  if (!trimmed.startsWith('@')) return { revision: null, path: trimmed.replace(/^\//, '') }
  const body = trimmed.slice(1)
  const raw = SLASHED_REVISION.exec(body)?.[0] ?? body.split('/', 1)[0]!
  const revision = decode(text, raw)
  if (!isSafeRepoPath(revision) || /[\s~^:?*[@]/.test(revision)) throw bad(text, `"${raw}" is not a revision`)
  return { revision, path: body.slice(raw.length).replace(/^\//, '') }
}

function decode(text: string, raw: string): string {
  try {
    return decodeURIComponent(raw)
  } catch {
    throw bad(text, `"${raw}" has a broken %-escape`)
  }
}

/** The text of an address; `parseHubAddress` gives the address back. */
export function formatHubAddress({ repoType, repo, revision, path }: HubAddress): string {
  const special = revision !== null && SLASHED_REVISION.exec(revision)?.[0] === revision
  const at = revision === null ? '' : `@${special ? revision : revision.replace(/[%/]/g, encodeURIComponent)}`
  return `hf://${repoType === 'dataset' ? 'datasets/' : ''}${repo}${at}${path === '' ? '' : `/${path}`}`
}

/** An address from text, or an address as it is. */
export function toHubAddress(address: string | HubAddress): HubAddress {
  return typeof address === 'string' ? parseHubAddress(address) : address
}

/** `model owner/name` or `data set owner/name`, for messages. */
export function describeRepo({ repoType, repo }: HubAddress): string {
  return `${repoType === 'dataset' ? 'data set' : 'model'} ${repo}`
}

/** The page of a repository in a browser. */
export function repoPageUrl(hubUrl: string, { repoType, repo }: HubAddress): string {
  return `${hubUrl}/${repoType === 'dataset' ? 'datasets/' : ''}${repo}`
}

/** The URL that serves the bytes of one file at one revision. */
export function resolveUrl(hubUrl: string, address: HubAddress, revision: string, path: string): string {
  const escaped = path.split('/').map(encodeURIComponent).join('/')
  return `${repoPageUrl(hubUrl, address)}/resolve/${encodeURIComponent(revision)}/${escaped}`
}
