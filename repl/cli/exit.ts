import { CommanderError } from 'commander'
import { LabError, messageOf } from '../../src/index.js'
import { exitCodes } from './exit-codes.js'
import type { CliIo } from './output.js'
import { makeStyle, wantsColor } from './style.js'

/** Codes of errors that are about what was asked for, not about what happened: a wrong option value, plan or recipe. */
const usageCodes = new Set([
  'USAGE',
  'RECIPE',
  'EXPANSION_PLAN',
  'FREEZE_RULE',
  'FREEZE_NOTHING',
  'FREEZE_DEAD',
  'METHOD',
  'FIGURE_NAME',
  'DEVICE',
  'PRECISION',
  'FROZEN_WEIGHTS',
  'CONTEXT',
  'LOADER_OPTIONS',
  'MANIFEST',
  'GENERATE',
  'HUB_ADDRESS',
])

/** The error for a wrong command line. */
export function usageError(message: string): LabError {
  return new LabError('USAGE', message)
}

export interface Failure {
  exitCode: number
  /** Stable name of the kind of failure. */
  code: string
  message: string
  /** Where it came from, for errors that nobody foresaw or when asked for. */
  stack: string | null
}

/** The failure that is told of when a command was stopped on request. */
export const interruption: Failure = {
  exitCode: exitCodes.interrupted,
  code: 'INTERRUPTED',
  message: 'interrupted',
  stack: null,
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  if (error === signal.reason) return true
  return error instanceof Error && (error.name === 'AbortError' || ('code' in error && error.code === 'ABORTED'))
}

/** A refusal of the operating system (no permission, disk full): about the machine, so no stack is needed to see why. */
function isSystemError(error: unknown): error is Error & { code: string } {
  return error instanceof Error && 'syscall' in error && 'code' in error && typeof error.code === 'string'
}

/** What went wrong, in the terms of a command line. */
export function failureOf(error: unknown, { env, signal }: Pick<CliIo, 'env' | 'signal'>): Failure {
  if (signal.aborted && isAbort(error, signal)) return interruption
  if (error instanceof CommanderError) {
    const message = error.message.replace(/^error: /, '').replace(/\n\((.*)\)$/, '. $1')
    return { exitCode: exitCodes.usage, code: 'USAGE', message, stack: null }
  }
  const trace = error instanceof Error ? (error.stack ?? null) : null
  const debugTrace = env['LLAMA_PRO_DEBUG'] ? trace : null
  if (isSystemError(error))
    return { exitCode: exitCodes.failed, code: error.code, message: error.message, stack: debugTrace }
  if (!(error instanceof LabError))
    return { exitCode: exitCodes.failed, code: 'UNEXPECTED', message: messageOf(error), stack: trace }
  const exitCode = usageCodes.has(error.code) ? exitCodes.usage : exitCodes.failed
  return { exitCode, code: error.code, message: error.message, stack: debugTrace }
}

/** Tells of a failure: one JSON document on stdout with `--json`, else a message on stderr. Returns the exit code. */
export function reportFailure(
  failure: Failure,
  { io, json, hint }: { io: CliIo; json: boolean; hint: string },
): number {
  const { code, message, stack, exitCode } = failure
  if (json) {
    io.stdout.write(`${JSON.stringify({ error: { code, message, ...(stack && { stack }) } }, null, 2)}\n`)
    return exitCode
  }
  const style = makeStyle(wantsColor(io.stderr.isTTY === true, io.env))
  io.stderr.write(`${failure === interruption ? style.red(message) : `${style.red('error:')} ${message}`}\n`)
  if (stack) io.stderr.write(`${style.dim(stack)}\n`)
  if (code === 'USAGE' && hint) io.stderr.write(`${style.dim(hint)}\n`)
  return exitCode
}
