import type { InkRenderer } from '../ui/ink-renderer.js'
import type { View } from '../ui/view.js'

/** Loads Ink, for a first view. */
export async function loadInk(view: View): Promise<InkRenderer> {
  // React's development build is several times slower, and it decides when it is loaded
  const before = process.env['NODE_ENV']
  process.env['NODE_ENV'] = 'production'
  const { createInkRenderer } = await import('../ui/ink-renderer.js')
  if (before === undefined) Reflect.deleteProperty(process.env, 'NODE_ENV')
  else process.env['NODE_ENV'] = before
  return createInkRenderer(view)
}
