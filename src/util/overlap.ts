import { resolve, sep } from 'node:path'

/** Whether two paths are the same or one of them lies inside the other; links are not followed. */
export function pathsOverlap(a: string, b: string): boolean {
  const [first, second] = [resolve(a), resolve(b)]
  return isInside(first, second) || isInside(second, first)
}

function isInside(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep)
}
