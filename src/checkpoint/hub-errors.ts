import { LabError } from '../util/errors.js'
import { describeRepo, type HubAddress, repoPageUrl } from './hub-address.js'
import type { HubToken } from './hub-environment.js'

interface Asker {
  hubUrl: string
  token: HubToken | null
}

/** What the hub says about a refusal, without markup and cut to one line. */
async function saying(response: Response): Promise<string> {
  const header = response.headers.get('x-error-message')
  const text = header ?? (await response.text().catch(() => ''))
  const error = /"error"\s*:\s*"((?:[^"\\]|\\.)*)"/.exec(text)?.[1] ?? text
  const line = error.replace(/\s+/g, ' ').trim().slice(0, 200)
  return line && !line.startsWith('<') ? ` The hub says: ${line}` : ''
}

function getToken({ hubUrl }: Asker): string {
  return `make a token with read access at ${hubUrl}/settings/tokens and set HF_TOKEN=hf_... (or run \`hf auth login\`)`
}

/**
 * The error for a status that no retry will change: `HUB_UNAUTHORIZED` (401), `HUB_GATED` and `HUB_FORBIDDEN` (403),
 * `HUB_REPO_NOT_FOUND`, `HUB_REVISION_NOT_FOUND`, `HUB_FILE_NOT_FOUND` (404), `HUB_ERROR` (others). The message says
 * what to do; it never holds the token.
 */
export async function hubRefusal(asker: Asker, address: HubAddress, response: Response): Promise<LabError> {
  const reason = response.headers.get('x-error-code') ?? ''
  const says = await saying(response)
  const error = (code: string, message: string) => new LabError(code, `${message}${says}`)
  const { status } = response
  if ((status === 401 || status === 403) && reason === 'GatedRepo') return error('HUB_GATED', gated(asker, address))
  if (status === 401) return error('HUB_UNAUTHORIZED', unauthorized(asker, address))
  if (status === 403) return error('HUB_FORBIDDEN', forbidden(asker, address))
  if (status === 404) return notFound(address, reason, response.url, error)
  return error('HUB_ERROR', `${asker.hubUrl} answered ${status} for ${describeRepo(address)} (${response.url}).`)
}

function gated(asker: Asker, address: HubAddress): string {
  const accept = `accept its terms at ${repoPageUrl(asker.hubUrl, address)} while signed in`
  return asker.token === null
    ? `${describeRepo(address)} is gated: ${accept}, then ${getToken(asker)}.`
    : `${describeRepo(address)} is gated, and the account of the token in ${asker.token.from} has no access: ${accept} ` +
        'as that account (access may have to be granted by its owner), then run this again.'
}

function unauthorized(asker: Asker, address: HubAddress): string {
  const about = `${describeRepo(address)} does not exist, or is private`
  return asker.token === null
    ? `${about}. Check the spelling; if it is private, ${getToken(asker)}.`
    : `${about}, or the token in ${asker.token.from} is not valid any more. Check the spelling; then ${getToken(asker)}.`
}

function forbidden(asker: Asker, address: HubAddress): string {
  if (asker.token === null) return `${describeRepo(address)} may not be read without a token: ${getToken(asker)}.`
  return (
    `the token in ${asker.token.from} may not read ${describeRepo(address)}: give it read access to this repository at ` +
    `${asker.hubUrl}/settings/tokens (a fine-grained token needs "public gated repositories" or the repository itself).`
  )
}

function notFound(
  address: HubAddress,
  reason: string,
  url: string,
  error: (code: string, message: string) => LabError,
): LabError {
  const repo = describeRepo(address)
  if (reason === 'EntryNotFound') return error('HUB_FILE_NOT_FOUND', `${repo} has no such file (${url}).`)
  if (reason === 'RevisionNotFound') {
    return error('HUB_REVISION_NOT_FOUND', `${repo} has no revision "${address.revision ?? 'main'}".`)
  }
  const other = address.repoType === 'model' ? ' For a data set write hf://datasets/owner/name/path.' : ''
  return error('HUB_REPO_NOT_FOUND', `${repo} was not found (${url}). Check the spelling.${other}`)
}
