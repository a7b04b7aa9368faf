import type { DocumentFilters } from './manifest.js'

/** Why a document was left out, as counted in reports: `empty` or the name of the filter. */
export const FILTER_REASONS = ['empty', 'minBytes', 'maxBytes', 'licence', 'language', 'extension'] as const
export type FilterReason = (typeof FILTER_REASONS)[number]

/** A predicate that says why a document is left out, or null when it stays. */
export type DocumentFilter = (fields: Record<string, unknown>, textBytes: number) => FilterReason | null

/** The value of a field: the key itself, or else a dotted path into nested objects. */
export function fieldAt(fields: Record<string, unknown>, path: string): unknown {
  if (path in fields) return fields[path]
  let value: unknown = fields
  for (const key of path.split('.')) {
    if (value === null || typeof value !== 'object') return undefined
    value = (value as Record<string, unknown>)[key]
  }
  return value
}

/** The predicate of a manifest's filters. Documents without text are always left out. */
export function documentFilter(filters: DocumentFilters): DocumentFilter {
  const { minBytes = 0, maxBytes = Number.POSITIVE_INFINITY } = filters
  const lists = (['licence', 'language', 'extension'] as const).flatMap(reason => {
    const rule = filters[reason]
    return rule ? [{ reason, accepts: allowList(rule.field, rule.allow) }] : []
  })
  return (fields, textBytes) => {
    if (textBytes === 0) return 'empty'
    if (textBytes < minBytes) return 'minBytes'
    if (textBytes > maxBytes) return 'maxBytes'
    return lists.find(({ accepts }) => !accepts(fields))?.reason ?? null
  }
}

/** The columns or keys that a filter looks at besides the text. */
export function filterFields(filters: DocumentFilters): string[] {
  return [filters.licence, filters.language, filters.extension].flatMap(rule => (rule ? [rule.field] : []))
}

/** Every value of the field must be allowed, and there must be one: an unknown licence is not a permissive one. */
function allowList(field: string, allow: string[]): (fields: Record<string, unknown>) => boolean {
  const known = new Set(allow.map(value => value.toLowerCase()))
  return fields => {
    const value = fieldAt(fields, field)
    const values = Array.isArray(value) ? value : [value]
    return values.length > 0 && values.every(item => typeof item === 'string' && known.has(item.toLowerCase()))
  }
}
