import { LabError, messageOf } from './errors.js'

const MAGIC = /[*?[{]/

/** Whether a pattern has wildcards (`*`, `?`, `[`, `{`). */
export function isGlob(pattern: string): boolean {
  return MAGIC.test(pattern)
}

/**
 * A glob over `/`-separated paths as an anchored regular expression: `*` and `?` stay within a segment, `**` crosses
 * segments (none included, when it stands alone between slashes), `[a-c]` and `[!a-c]` are classes, `{a,b}` are
 * alternatives. Every other character stands for itself.
 * @throws LabError `GLOB` for an unclosed `{` or a class that runs backwards.
 */
export function globToRegExp(pattern: string): RegExp {
  let source = ''
  let depth = 0
  for (let i = 0; i < pattern.length; i++) {
    const rest = pattern.slice(i)
    const classMatch = /^\[(!?)([^\]/]+)\]/.exec(rest)
    if (rest.startsWith('**/')) [source, i] = [`${source}(?:.*/)?`, i + 2]
    else if (rest.startsWith('**')) [source, i] = [`${source}.*`, i + 1]
    else if (rest[0] === '*') source += '[^/]*'
    else if (rest[0] === '?') source += '[^/]'
    else if (classMatch) {
      source += `[${classMatch[1] ? '^/' : ''}${classMatch[2]!.replace(/[\\\]^]/g, '\\$&')}]`
      i += classMatch[0].length - 1
    } else if (rest[0] === '{' && rest.includes('}')) [source, depth] = [`${source}(?:`, depth + 1]
    else if (rest[0] === '}' && depth > 0) [source, depth] = [`${source})`, depth - 1]
    else if (rest[0] === ',' && depth > 0) source += '|'
    else source += rest[0]!.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
  }
  try {
    return new RegExp(`^${source}$`, 'u')
  } catch (error) {
    throw new LabError('GLOB', `expected a glob, got "${pattern}": ${messageOf(error)}`, { cause: error })
  }
}
