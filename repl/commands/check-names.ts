/** Names on a command line that only the session knows: whether there is such a run. */
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { didYouMean, isHubAddress } from '../../src/index.js'
import { type Arguments, type Command, commandError, specOf } from './command.js'
import type { NameSources } from './complete-command.js'

/** @throws LabError COMMAND with the nearest match for a word that is to be a run or a model and is neither */
export function checkNames(command: Command, { words }: Arguments, names: Pick<NameSources, 'cwd' | 'runs'>): void {
  for (const [index, word] of words.entries()) {
    const kind = specOf(command, index)?.kind
    if (kind !== 'run' && kind !== 'model') continue
    if (isHubAddress(word) || existsSync(resolve(names.cwd, word))) continue
    const known = [...names.runs(), ...(kind === 'model' ? ['demo'] : [])]
    if (known.includes(word)) continue
    const expected =
      kind === 'run' ? 'the name or directory of a run' : 'demo, a run, the directory of a model, or hf://owner/name'
    const found = kind === 'run' && known.length > 0 ? ` The runs are ${known.join(', ')}.` : ''
    throw commandError(`:${command.name}: expected ${expected}, got "${word}".${didYouMean(word, known)}${found}`)
  }
}
