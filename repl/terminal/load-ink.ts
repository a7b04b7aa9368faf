import type { InkRenderer } from '../ui/ink-renderer.js'

/** Loads Ink. */
export async function loadInk(): Promise<InkRenderer> {
  // React's development build is several times slower, and it decides when it is loaded
  const before = process.env['NODE_ENV']
  process.env['NODE_ENV'] = 'production'
  const { createInkRenderer } = await import('../ui/ink-renderer.js')
  if (before === undefined) Reflect.deleteProperty(process.env, 'NODE_ENV')
  else process.env['NODE_ENV'] = before
  return createInkRenderer()
}
