/** What is loaded after the first prompt: the compiler, the library, and everything that needs them. */
export type Heavy = Awaited<ReturnType<typeof loadHeavy>>

/** Loads them. The compiler keeps this thread busy for a while. */
export async function loadHeavy() {
  const { ReplSession } = await import('../session/repl-session.js')
  const { loadCompiler } = await import('../../kernel/evaluator/compiler-host.js')
  const { doctorText } = await import('../doctor-text.js')
  const { StepWalk } = await import('./step-walk.js')
  const library = await import('../../src/index.js')
  const { formatCount: count, formatBytes: bytes, formatDuration: duration } = library
  return { ReplSession, ts: loadCompiler(), doctorText, StepWalk, library, formats: { count, bytes, duration } }
}
