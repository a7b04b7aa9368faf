/**
 * JSON in which every number keeps its identity: JSON itself writes NaN and the infinities as null, and -0 as 0. They
 * become the strings that Python's float() and JavaScript's Number() read.
 */
export function spelledJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'number' && (!Number.isFinite(inner) || Object.is(inner, -0)) ? spelled(inner) : inner,
  )
}

function spelled(value: number): string {
  return value === 0 ? '-0' : String(value)
}
