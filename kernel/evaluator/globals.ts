type Properties = Record<string, PropertyDescriptor>

/** Defines properties of the global object that cells see; returns the function that restores what was there. */
export function defineGlobals(properties: Properties): () => void {
  const before = Object.keys(properties).map(name => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const)
  for (const [name, descriptor] of Object.entries(properties))
    Object.defineProperty(globalThis, name, { configurable: true, enumerable: false, ...descriptor })
  return () => {
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor)
      else Reflect.deleteProperty(globalThis, name)
    }
  }
}

/** Plain values as replaceable global properties. */
export function valuesOf(values: Record<string, unknown>): Properties {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, { value, writable: true }]))
}
