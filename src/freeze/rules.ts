import type { Provenance } from '../expansion/provenance.js'
import { newLayers } from '../expansion/provenance.js'
import { layerOf } from '../model/parameters.js'
import { LabError } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'

/**
 * The language of freeze rules. A rule chooses parameters to train by their Hugging Face path:
 *
 * - `all`; `added` (blocks that provenance calls new); `embeddings`; `head` (untied lm_head); `norm` (the final norm)
 * - `block 4`, `block 3-7`, `blocks 4,9`, `blocks 0-3, 8`: whole blocks by index; block 4 is never block 40
 * - a path: `model.layers.4.mlp.down_proj.weight`
 * - a glob: `*` stands for anything within one dotted part, `**` for any number of parts: `model.layers.*.mlp.**`
 *
 * A leading `!` takes its matches away again, wherever it stands in the list.
 */
export interface Rule {
  /** As written, without surrounding spaces. */
  text: string
  isExclusion: boolean
  /** The block indices that a block rule names, each of which must exist; else null. */
  blocks: Set<number> | null
  matches: (path: string) => boolean
}

/** What a list of rules selects. Lists keep the order of the given paths. */
export interface TrainableSelection {
  trainable: string[]
  frozen: string[]
  /** For each rule the paths that it matches by itself. */
  byRule: { rule: string; matched: string[] }[]
}

const keywords = ['all', 'added', 'embeddings', 'head', 'norm']
const singlePaths: Record<string, string> = {
  embeddings: 'model.embed_tokens.weight',
  head: 'lm_head.weight',
  norm: 'model.norm.weight',
}

function badRule(text: string, message: string): LabError {
  return new LabError('FREEZE_RULE', `freeze rule "${text}": ${message}`)
}

function parseBlocks(text: string, list: string): Set<number> {
  const blocks = new Set<number>()
  for (const part of list.split(',').map(item => item.trim())) {
    const match = /^(\d+)(?:\s*-\s*(\d+))?$/.exec(part)
    if (!match) throw badRule(text, `"${part}" is neither a block index nor a range such as 3-7.`)
    const [first, last] = [Number(match[1]), Number(match[2] ?? match[1])]
    if (first > last) throw badRule(text, `the range ${part} runs backwards.`)
    if (last > 1e6) throw badRule(text, `no model has a block ${last}.`)
    for (let block = first; block <= last; block++) blocks.add(block)
  }
  return blocks
}

/** Matches dotted paths part by part; no regular expression is made of user text, so no pattern is slow. */
function globMatcher(pattern: string): (path: string) => boolean {
  const wanted = pattern.split('.')
  return path => matchParts(wanted, path.split('.'))
}

function matchParts(wanted: string[], parts: string[]): boolean {
  // reach[i]: the wanted parts so far can consume exactly the first i parts
  let reach = [true, ...parts.map(() => false)]
  for (const want of wanted) {
    const next = parts.map((part, i) => want !== '**' && reach[i]! && matchPart(want, part))
    reach = want === '**' ? reach.map((_, i) => reach.slice(0, i + 1).includes(true)) : [false, ...next]
  }
  return reach.at(-1)!
}

function matchPart(want: string, part: string): boolean {
  const [head, ...rest] = want.split('*')
  const tail = rest.pop()
  if (tail === undefined) return want === part
  if (!part.startsWith(head!) || !part.endsWith(tail) || part.length < head!.length + tail.length) return false
  let at = head!.length
  for (const piece of rest) {
    at = part.indexOf(piece, at)
    if (at < 0 || at + piece.length > part.length - tail.length) return false
    at += piece.length
  }
  return true
}

function matcherOf(text: string, body: string, provenance: Provenance | null): (path: string) => boolean {
  if (body === 'all') return () => true
  if (body === 'added') {
    if (!provenance)
      throw badRule(
        text,
        'the model has no provenance, so no block is known to be added; expand it first or name blocks, as in "blocks 4,9".',
      )
    const added = newLayers(provenance)
    return path => added.has(layerOf(path) ?? -1)
  }
  if (Object.hasOwn(singlePaths, body)) return path => path === singlePaths[body]
  return body.includes('*') ? globMatcher(body) : path => path === body
}

/**
 * Parses one rule.
 *
 * @throws LabError FREEZE_RULE when it is empty or malformed, or `added` is asked of a model without provenance
 */
export function parseRule(rule: string, provenance: Provenance | null): Rule {
  const text = rule.trim()
  const isExclusion = text.startsWith('!')
  const body = text.slice(isExclusion ? 1 : 0).trim()
  if (body === '') throw badRule(text, 'it is empty.')
  const list = /^blocks?\s+(.*)$/.exec(body)?.[1]
  if (list === undefined) return { text, isExclusion, blocks: null, matches: matcherOf(text, body, provenance) }
  const blocks = parseBlocks(text, list)
  return { text, isExclusion, blocks, matches: path => blocks.has(layerOf(path) ?? -1) }
}

/** A rule must match something, and a block rule something in each block that it names; else the nearest name is given. */
function checkMatched({ text, blocks }: Rule, matched: string[], paths: readonly string[]): void {
  const found = new Set(matched.map(layerOf))
  const absent = [...(blocks ?? [])].find(block => !found.has(block))
  if (absent !== undefined) {
    const last = Math.max(-1, ...paths.map(path => layerOf(path) ?? -1))
    throw badRule(text, `there is no block ${absent}; the model has blocks 0 to ${last}.`)
  }
  if (matched.length > 0) return
  const body = text.replace(/^!\s*/, '')
  if (body === 'head')
    throw badRule(
      text,
      'the model has no lm_head.weight: its head is the embedding matrix; use "embeddings" to train both.',
    )
  throw badRule(text, `it matches no parameter.${didYouMean(body, [...keywords, ...paths])}`)
}

/**
 * Splits parameter paths into trainable and frozen ones: trainable is what any rule matches and no `!` rule matches.
 *
 * @param provenance of the model, or null; decides what `added` is
 * @throws LabError FREEZE_RULE (malformed, or matches nothing: the nearest name is given), FREEZE_NOTHING when no
 * parameter is left to train
 */
export function selectTrainable(
  paths: Iterable<string>,
  rules: readonly string[],
  provenance: Provenance | null,
): TrainableSelection {
  const all = [...paths]
  const parsed = rules.map(rule => parseRule(rule, provenance))
  if (!parsed.some(rule => !rule.isExclusion))
    throw new LabError(
      'FREEZE_NOTHING',
      `no rule says what to train (got ${parsed.length === 0 ? 'no rules' : 'exclusions only'}); start with "added" or "all".`,
    )
  const byRule = parsed.map(rule => ({ rule, matched: all.filter(rule.matches) }))
  for (const { rule, matched } of byRule) checkMatched(rule, matched, all)
  const union = (isExclusion: boolean) =>
    new Set(byRule.filter(({ rule }) => rule.isExclusion === isExclusion).flatMap(({ matched }) => matched))
  const [chosen, excluded] = [union(false), union(true)]
  const isTrainable = (path: string) => chosen.has(path) && !excluded.has(path)
  const trainable = all.filter(isTrainable)
  if (trainable.length === 0)
    throw new LabError(
      'FREEZE_NOTHING',
      `the rules ${parsed.map(rule => `"${rule.text}"`).join(', ')} leave no parameter to train.`,
    )
  return {
    trainable,
    frozen: all.filter(path => !isTrainable(path)),
    byRule: byRule.map(({ rule, matched }) => ({ rule: rule.text, matched })),
  }
}
