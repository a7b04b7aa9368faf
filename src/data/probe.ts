import { LabError } from '../util/errors.js'
import type { Dataset } from './dataset.js'
import { documentHash } from './document-id.js'
import { documentFilter, filterFields } from './filter.js'
import { readShard } from './shard.js'
import type { SpecialTokens, Tokenize } from './token-stream.js'

/** One evaluation row: T inputs with their targets. */
export interface ProbeRow {
  /** (T), padded at the end. */
  inputIds: Int32Array
  /** (T); -1 = not scored (padding, context that was scored in the row before). */
  targets: Int32Array
  /** The document the row is from: 0, 1, 2, ... in the probe's order. */
  documentIndex: number
}

/** A held-out set in the form that is scored. bits/byte = sum of nats over scored targets / ln 2 / `bytesScored`. */
export interface Probe {
  name: string
  rows: ProbeRow[]
  bytesScored: number
  tokensScored: number
  documents: number
  /** Of the whole documents, for `excludeHashes` of the loader. */
  documentHashes: Set<string>
}

export interface ProbeOptions extends SpecialTokens {
  name: string
  manifest: Dataset
  /** Targets to score at most. */
  maxTokens: number
  /** T, tokens a row. */
  seqLen: number
  tokenize: Tokenize
  /** Only the first bytes of each document (cut at a character) are scored; default: all. More documents then fit in `maxTokens`. */
  maxDocumentBytes?: number
  /** Tokens that each later row of a document repeats from the row before as unscored context; default 0, below `seqLen`. */
  contextTokens?: number
}

interface ProbeDocument {
  ids: Int32Array
  bytes: number
}

/**
 * Builds a probe: the first documents of the dataset, files in the order of their paths, until `maxTokens`. Each document is tokenised
 * alone behind one context token (BOS, or EOS where a tokenizer has no BOS, as lm-evaluation-harness does) and cut into windows; every token of
 * its text is predicted exactly once, no other is. The last document is cut at a character so that `maxTokens` is kept; only bytes of text that
 * is scored are counted.
 * @throws LabError `PROBE` for options that cannot work or a dataset without documents; faults of shards and documents always stop it
 */
export async function openProbe(options: ProbeOptions): Promise<Probe> {
  checkProbeOptions(options)
  const { name, manifest, maxTokens, tokenize, maxDocumentBytes = Number.POSITIVE_INFINITY } = options
  const probe: Probe = { name, rows: [], bytesScored: 0, tokensScored: 0, documents: 0, documentHashes: new Set() }
  for await (const text of documentTexts(manifest)) {
    const document = await fitDocument(cutText(text, maxDocumentBytes), maxTokens - probe.tokensScored, tokenize)
    if (document === null) break
    if (document.ids.length === 0) continue
    probe.rows.push(...probeRows(document.ids, probe.documents, options))
    probe.documents++
    probe.tokensScored += document.ids.length
    probe.bytesScored += document.bytes
    probe.documentHashes.add(documentHash(text))
    if (probe.tokensScored >= maxTokens) break
  }
  if (probe.documents > 0) return probe
  throw new LabError('PROBE', `probe ${name}: dataset ${manifest.name} has no document to score`)
}

/** The text of every document that passes the manifest's filters, in file order. */
async function* documentTexts(dataset: Dataset): AsyncGenerator<string> {
  const filter = documentFilter(dataset.filters)
  for (const [index, { format }] of dataset.files.entries()) {
    const source = await dataset.open(index)
    const { textField } = dataset
    for await (const record of readShard(source, { format, textField, fields: filterFields(dataset.filters) })) {
      if ('fault' in record) throw record.fault
      if (filter(record.fields, Buffer.byteLength(record.text)) === null) yield record.text
    }
  }
}

/** The longest prefix of at most `maxBytes` of UTF-8 that ends at a character. */
function cutText(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text
  const bytes = Buffer.from(text)
  let end = maxBytes
  // a byte 10xxxxxx continues a character
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}

/** The document cut until it has at most `budget` tokens; null when nothing of it fits. */
async function fitDocument(text: string, budget: number, tokenize: Tokenize): Promise<ProbeDocument | null> {
  for (let rest = text; rest !== ''; ) {
    const [ids] = await tokenize([rest])
    if (!ids) throw new LabError('TOKENIZE', 'tokenize was given 1 text and returned no array')
    const bytes = Buffer.byteLength(rest)
    if (ids.length <= budget) return { ids, bytes }
    // a cut text may have more tokens than its share, so one byte less than the share at least
    rest = cutText(rest, Math.min(bytes - 1, Math.floor((bytes * budget) / ids.length)))
  }
  return null
}

function probeRows(ids: Int32Array, documentIndex: number, options: ProbeOptions): ProbeRow[] {
  const { seqLen, contextTokens = 0 } = options
  const context = (options.bosTokenId ?? options.eosTokenId)!
  const tokens = new Int32Array(ids.length + 1)
  tokens[0] = context
  tokens.set(ids, 1)
  const rows: ProbeRow[] = []
  for (let start = 0; ; start += seqLen - contextTokens) {
    const inputIds = new Int32Array(seqLen).fill(context)
    inputIds.set(tokens.subarray(start, Math.min(start + seqLen, ids.length)))
    const targets = new Int32Array(seqLen).fill(-1)
    const from = start === 0 ? 0 : contextTokens
    targets.set(tokens.subarray(start + 1 + from, start + 1 + seqLen), from)
    rows.push({ inputIds, targets, documentIndex })
    if (start + seqLen >= ids.length) return rows
  }
}

function checkProbeOptions(options: ProbeOptions): void {
  const { name, maxTokens, seqLen, bosTokenId, eosTokenId, contextTokens = 0, maxDocumentBytes = 4 } = options
  const fail = (message: string) => new LabError('PROBE', `probe ${name}: ${message}`)
  for (const [key, value] of Object.entries({ maxTokens, seqLen }))
    if (!(Number.isSafeInteger(value) && value >= 1)) throw fail(`expected ${key} of at least 1, got ${value}`)
  if (!(contextTokens >= 0 && contextTokens < seqLen))
    throw fail(`expected contextTokens from 0 to ${seqLen - 1}, got ${contextTokens}`)
  // the longest character has four bytes, so that something of every document is left
  if (!(maxDocumentBytes >= 4)) throw fail(`expected maxDocumentBytes of at least 4, got ${maxDocumentBytes}`)
  if (bosTokenId === null && eosTokenId === null)
    throw fail('expected a BOS or EOS token to predict the first token of a document from, the tokenizer has neither')
}
