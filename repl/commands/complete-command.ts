/** Completion of command lines: names, options, and every kind of argument. */
import { type Dirent, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { lessonNames } from '../../src/index.js'
import type { Candidate, Completions } from '../editor/completion-menu.js'
import type { ArgumentKind, Command } from './command.js'
import { commandLineOf } from './command-line.js'
import { commands } from './table.js'
import { optionPair, quoteWord, splitWords } from './words.js'

/** Names that only the session knows; asked when they are needed. */
export interface NameSources {
  cwd: string
  runs(): readonly string[]
  figures(): readonly string[]
  devices(): readonly string[]
  datasets(): readonly string[]
  /** Number of blocks of the live model; 0 without one. */
  layers(): number
  /** Paths of the live model's parameters. */
  parameters(): readonly string[]
  probes(): readonly string[]
}

const nothing: Completions = { candidates: [], start: 0, end: 0 }

/** What may stand at the cursor of a command line. */
export function completeCommand(text: string, cursor: number, names: NameSources): Completions {
  const head = text.slice(0, cursor)
  const named = /^\s*([:/])([a-z-]*)$/.exec(head)
  if (named) {
    const [all, sign = ':', typed = ''] = named
    const found = commands.filter(one => one.name.startsWith(typed))
    const candidates = found.map(one => ({ text: sign + one.name, kind: 'command', detail: one.about }))
    return { candidates, start: all.length - typed.length - 1, end: cursor }
  }
  const line = commandLineOf(head)
  const command = line && commands.find(one => one.name === line.name)
  if (!line || !command) return nothing
  return completeArgument(command, head, line.start, names)
}

function completeArgument(command: Command, head: string, from: number, names: NameSources): Completions {
  const words = splitWords(head, from, { isTyping: true })
  const last = words.at(-1)
  const current = last && last.end === head.length ? last : { text: '', start: head.length, end: head.length }
  const pair = optionPair(current.text)
  if (pair && (Object.hasOwn(command.options, pair[1]!) || command.hasFreeOptions)) {
    const values = optionValues(command, pair[1]!, pair[2]!, names)
    const candidates = values.map(value => ({ ...value, text: `${pair[1]}=${value.text}` }))
    return { candidates, start: current.start, end: current.end }
  }
  const before = words.filter(word => word.end < current.start && !optionPair(word.text)).length
  const spec = command.arguments[before] ?? command.arguments.find(one => one.isRest)
  const values = spec ? valuesOf(spec.kind, current.text, names) : []
  const used = new Set(words.map(word => optionPair(word.text)?.[1]))
  const options = Object.entries(command.options)
    .filter(([name]) => name.startsWith(current.text) && !used.has(name))
    .map(([name, { about }]) => ({ text: `${name}=`, kind: 'option', detail: about }))
  if (command.name === 'probe') options.push(...probeNames(current.text, used, names))
  return { candidates: [...values, ...options], start: current.start, end: current.end }
}

/** The probes of the session, which are measured on other data when they are named. */
function probeNames(typed: string, used: ReadonlySet<string | undefined>, names: NameSources): Candidate[] {
  const free = names.probes().filter(name => name.startsWith(typed) && !used.has(name))
  return free.map(name => ({ text: `${name}=`, kind: 'probe', detail: 'on another dataset' }))
}

function optionValues(command: Command, option: string, typed: string, names: NameSources): Candidate[] {
  const { kind, choices = [] } = command.options[option] ?? { kind: 'dataset' as const, choices: [] }
  if (kind === 'dataset') return valuesOf('dataset', typed, names)
  if (kind === 'path') return paths(typed, names.cwd)
  if (kind === 'layers') return layerLists(typed, names.layers())
  return matching(choices, typed, 'value')
}

/** Indices of new blocks in ascending order: what may follow the last comma. */
function layerLists(typed: string, layers: number): Candidate[] {
  const comma = typed.lastIndexOf(',') + 1
  const given = typed.slice(0, comma).split(',').filter(Boolean)
  // every new block makes the model a block longer
  const all = indices(layers > 0 ? layers + given.length + 1 : 0)
  const after = all.filter(index => Number(index) > Number(given.at(-1) ?? -1))
  return matching(
    after.map(index => typed.slice(0, comma) + index),
    typed,
    'block',
  )
}

function matching(texts: readonly string[], typed: string, kind: string): Candidate[] {
  return texts.filter(text => text.startsWith(typed)).map(text => ({ text: quoteWord(text), kind, detail: '' }))
}

function valuesOf(kind: ArgumentKind, typed: string, names: NameSources): Candidate[] {
  switch (kind) {
    case 'model':
      return [
        ...matching(['demo'], typed, 'model'),
        ...matching(names.runs(), typed, 'run'),
        ...paths(typed, names.cwd),
      ]
    case 'path':
      return paths(typed, names.cwd)
    case 'dataset':
      return [...matching(names.datasets(), typed, 'dataset'), ...paths(typed, names.cwd)]
    case 'run':
      return matching(names.runs(), typed, 'run')
    case 'figure':
      return matching(names.figures(), typed, 'figure')
    case 'device':
      return matching(names.devices(), typed, 'device')
    case 'command':
      return commands
        .filter(one => one.name.startsWith(typed))
        .map(one => ({ text: one.name, kind: 'command', detail: one.about }))
    case 'step':
      return matching(lessonNames, typed, 'step')
    case 'layer':
      return matching(indices(names.layers()), typed, 'block')
    case 'rule':
      return rules(typed, names)
    default:
      return []
  }
}

const indices = (count: number) => Array.from({ length: count }, (_, index) => String(index))

function rules(typed: string, names: NameSources): Candidate[] {
  const words = ['all', 'added', 'embeddings', 'head', 'norm']
  const blocks = indices(names.layers()).map(index => `block ${index}`)
  return [
    ...matching(words, typed, 'rule'),
    ...matching(blocks, typed, 'rule'),
    ...matching(names.parameters(), typed, 'parameter'),
  ]
}

/** Files and folders that begin as typed; hidden ones only when asked for. */
function paths(typed: string, cwd: string): Candidate[] {
  if (typed.startsWith('hf://')) return []
  const slash = typed.lastIndexOf('/') + 1
  const [folder, begun] = [typed.slice(0, slash), typed.slice(slash)]
  const base = folder.startsWith('~/') ? join(homedir(), folder.slice(2)) : resolve(cwd, folder === '' ? '.' : folder)
  return entriesOf(base)
    .filter(entry => entry.name.startsWith(begun) && (begun.startsWith('.') || !entry.name.startsWith('.')))
    .map(entry => ({
      text: quoteWord(`${folder}${entry.name}${entry.isDirectory() ? '/' : ''}`),
      kind: entry.isDirectory() ? 'folder' : 'file',
      detail: '',
    }))
}

function entriesOf(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1))
  } catch {
    // a folder that is not there, or not ours to read, has nothing to offer
    return []
  }
}
