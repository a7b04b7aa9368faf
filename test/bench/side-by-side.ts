/** Runs rivals in turns, each in a process of its own, so that a machine that drifts drifts for all of them. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { benchPython } from './python.js'
import type { Measurement } from './results.js'
import { median } from './statistics.js'

export interface Rival {
  who: string
  /** Program and arguments; prints one JSON object of figures on its last line. */
  command: readonly [string, readonly string[]]
}

type Figures = { version: string } & Record<string, number | string>

/** A rival that is one of our TypeScript programs in this folder. */
export function ours(script: string, args: readonly string[], who = 'ours'): Rival {
  const path = fileURLToPath(new URL(script, import.meta.url))
  return { who, command: [process.execPath, ['--import', import.meta.resolve('tsx'), path, ...args]] }
}

/** A rival that is one of the Python programs in `peers/`. */
export function peer(who: string, script: string, args: readonly string[]): Rival {
  const path = fileURLToPath(new URL(`./peers/${script}`, import.meta.url))
  return { who, command: [benchPython(), [path, ...args]] }
}

/** Every rival once a round, in a rotating order; the medians over the rounds of every figure that is a number. */
export async function sideBySide(
  what: string,
  rivals: readonly Rival[],
  { rounds }: { rounds: number },
): Promise<Measurement[]> {
  const found = new Map<string, Figures[]>(rivals.map(rival => [rival.who, []]))
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < rivals.length; i++) {
      const rival = rivals[(i + round) % rivals.length]!
      const figures = await run(rival)
      found.get(rival.who)!.push(figures)
      process.stderr.write(`${what}, round ${round + 1} of ${rounds}: ${rival.who} ${JSON.stringify(figures)}\n`)
    }
  }
  return rivals.map(({ who }) => ({ what, who, ...medians(found.get(who)!) }))
}

function medians(rounds: readonly Figures[]): Figures {
  const entries = Object.entries(rounds[0]!).map(([key, first]) => {
    if (typeof first !== 'number') return [key, first] as const
    return [key, Number(median(rounds.map(figures => figures[key] as number)).toPrecision(4))] as const
  })
  return Object.fromEntries(entries) as Figures
}

function run({ who, command: [program, args] }: Rival): Promise<Figures> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    let output = ''
    child.stdout.on('data', (text: Buffer) => (output += text.toString()))
    child.on('error', reject)
    child.on('close', code => {
      const last = output.trim().split('\n').at(-1) ?? ''
      if (code === 0 && last.startsWith('{')) resolve(JSON.parse(last) as Figures)
      else reject(new Error(`${who}: ${program} ended with ${code}: ${last}`))
    })
  })
}
