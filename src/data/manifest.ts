import { readFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { LabError, messageOf } from '../util/errors.js'
import { didYouMean } from '../util/nearest.js'

/** The formats of shards; where none is given it follows from each file's name. */
export const DATA_FORMATS = ['parquet', 'jsonl', 'jsonl.gz', 'jsonl.zst', 'text'] as const
export type DataFormat = (typeof DATA_FORMATS)[number]

const allowed = (field: string) =>
  z.strictObject({ field: z.string().min(1).default(field), allow: z.array(z.string().min(1)).min(1) })

const filtersSchema = z.strictObject({
  /** Smallest and largest document, in bytes of UTF-8. */
  minBytes: z.int().nonnegative().optional(),
  maxBytes: z.int().positive().optional(),
  /** Every licence that the field lists must be allowed; a document without any is dropped. Case does not matter. */
  licence: allowed('max_stars_repo_licenses').optional(),
  language: allowed('lang').optional(),
  extension: allowed('ext').optional(),
})

const patterns = z.union([
  z
    .string()
    .min(1)
    .transform(file => [file]),
  z.array(z.string().min(1)).min(1),
])

const manifestSchema = z.strictObject({
  name: z.string().regex(/^[\w.-]+(\/[\w.-]+)*$/, 'expected letters, digits, "_", ".", "-", and "/" between parts'),
  description: z.string().optional(),
  homepage: z.string().optional(),
  licence: z.string().optional(),
  /** How to get access, for data behind terms; becomes part of the error when access is refused. */
  gated: z.string().optional(),
  files: patterns.optional(),
  /** Named parts with their own files; all other settings are shared. */
  subsets: z
    .record(z.string().regex(/^[\w.-]+$/), z.strictObject({ files: patterns, description: z.string().optional() }))
    .optional(),
  format: z.enum(DATA_FORMATS).optional(),
  /** The field with the text: a column, or a key of the JSON object (a dotted path for nested ones). */
  textField: z.string().min(1).default('text'),
  filters: filtersSchema.default({}),
})

/** What documents of a dataset are let through; see `datasets/*.yaml`. */
export type DocumentFilters = z.infer<typeof filtersSchema>

/** A dataset as written down: which files, how to read them, what to leave out. Not yet tied to files that exist. */
export interface DatasetManifest {
  name: string
  description?: string | undefined
  gated?: string | undefined
  /** Paths and globs (`*`, `**`, `?`, `{a,b}`), relative to `baseDir` unless absolute, and `hf://datasets/owner/name[@revision]/path` patterns. */
  files: string[]
  format?: DataFormat | undefined
  textField: string
  filters: DocumentFilters
  /** The folder that relative patterns start from. */
  baseDir: string
}

/**
 * Checks a parsed manifest. With `subset`, the files of that part and the name `<name>/<subset>`; without, all files of all parts.
 * @throws LabError `MANIFEST` naming the key, with the nearest known key for an unknown one
 */
export function parseManifest(
  value: unknown,
  { baseDir = '.', subset, origin = 'manifest' }: { baseDir?: string; subset?: string; origin?: string } = {},
): DatasetManifest {
  const result = manifestSchema.safeParse(value)
  if (!result.success) throw new LabError('MANIFEST', `${origin}: ${result.error.issues.map(describeIssue).join('; ')}`)
  const { subsets = {}, files = [], homepage: _homepage, licence: _licence, ...rest } = result.data
  if (subset === undefined) {
    const all = [...files, ...Object.values(subsets).flatMap(part => part.files)]
    if (all.length === 0) throw new LabError('MANIFEST', `${origin}: expected "files" or "subsets", found neither`)
    return { ...rest, files: all, baseDir }
  }
  const part = subsets[subset]
  if (!part) {
    const known = Object.keys(subsets)
    const have = known.length > 0 ? `its subsets are ${known.join(', ')}` : 'it has no subsets'
    throw new LabError('MANIFEST', `${origin}: no subset "${subset}"; ${have}.${didYouMean(subset, known)}`)
  }
  return {
    ...rest,
    name: `${rest.name}/${subset}`,
    description: part.description ?? rest.description,
    files: part.files,
    baseDir,
  }
}

/** Reads a manifest file (YAML or JSON). Relative patterns in it start from its own folder. */
export async function loadManifest(path: string, { subset }: { subset?: string } = {}): Promise<DatasetManifest> {
  let value: unknown
  try {
    value = parse(await readFile(path, 'utf8'))
  } catch (error) {
    throw new LabError('MANIFEST', `${path}: cannot be read as a manifest: ${messageOf(error)}`, { cause: error })
  }
  return parseManifest(value, { baseDir: dirname(path), origin: path, ...(subset === undefined ? {} : { subset }) })
}

const KNOWN_KEYS: Record<string, string[]> = {
  '': Object.keys(manifestSchema.shape),
  filters: Object.keys(filtersSchema.shape),
  subsets: ['files', 'description'],
}

function describeIssue(issue: z.core.$ZodIssue): string {
  const where = issue.path.join('.')
  if (issue.code !== 'unrecognized_keys') return `${where || 'the manifest'}: ${issue.message}`
  const known =
    issue.path.length > 1 && issue.path[0] === 'filters' ? ['field', 'allow'] : KNOWN_KEYS[String(issue.path[0] ?? '')]!
  return issue.keys
    .map(key => `unknown key "${where ? `${where}.` : ''}${key}".${didYouMean(key, known)} Known: ${known.join(', ')}`)
    .join('; ')
}
