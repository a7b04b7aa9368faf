import type { CliIo, Output } from './output.js'

/** What every command gets. A command that ends without an error but not well sets `exitCode`. */
export interface CommandContext {
  io: CliIo
  out: Output
  exitCode: number
}
