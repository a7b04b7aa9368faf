import type { Lab } from '../../src/index.js'

/** What the status line says of a session: its model, blocks and device. Null: it is not loaded yet. */
export function describeSession(lab: Lab | null): string {
  if (!lab) return 'loading'
  if (!lab.isLoaded) return 'no model yet: :load demo'
  const { rows } = lab.layers()
  const added = rows.filter(row => row.isNew).length
  return `${lab.origin}  ${rows.length} blocks${added > 0 ? `, ${added} new` : ''}  ${lab.device}`
}
