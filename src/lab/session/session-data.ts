import { LabError } from '../../util/errors.js'
import { formatTable } from '../../util/format.js'
import type { ProbePath } from '../evaluate-model.js'
import { datasetPath, demoProbes, demoSources } from './datasets.js'
import { readable } from './readable.js'
import type { ProbeSpec, SourceSpec } from './session-recipe.js'

/** A source as `lab.data` takes it: a name, or a name with its weight. */
export type GivenSource = string | { manifest: string; weight?: number; subset?: string }

/** Scored tokens of a probe unless said otherwise: a second or two on a small model. */
const PROBE_TOKENS = 4096

/** What a session trains on, and what it measures. Names are kept as given; what they mean is looked up when they are used. */
export class SessionData {
  readonly #cwd: string
  #sources: readonly SourceSpec[] = []
  #probes: readonly ProbeSpec[] = demoProbes.map(probe => ({ ...probe }))

  constructor(cwd: string) {
    this.#cwd = cwd
  }

  /** Trains on the demo's data. */
  takeDemo(): void {
    this.#sources = demoSources.map(source => ({ ...source }))
  }

  /** @throws LabError DATASET for a name that is none */
  setSources(sources: string | readonly GivenSource[]): void {
    const list = typeof sources === 'string' ? [sources] : sources
    const specs = list.map(item => ({ weight: 1, ...(typeof item === 'string' ? { manifest: item } : item) }))
    for (const { manifest } of specs) datasetPath(manifest, this.#cwd)
    this.#sources = specs
  }

  /** @throws LabError DATASET for a name that is none */
  setProbes(probes: Readonly<Record<string, string>>): void {
    const specs = specsOf(probes)
    for (const { manifest } of specs) datasetPath(manifest, this.#cwd)
    this.#probes = specs
  }

  get sources(): readonly SourceSpec[] {
    const rows = this.#sources.map(({ manifest, weight, subset }) => [manifest, String(weight), subset ?? ''])
    return readable([...this.#sources], formatTable(['dataset', 'weight', 'subset'], rows))
  }

  get probes(): readonly ProbeSpec[] {
    const rows = this.#probes.map(({ name, manifest }) => [name, manifest])
    return readable([...this.#probes], formatTable(['probe', 'dataset'], rows))
  }

  /** Sources as a recipe has them. @throws LabError SESSION_DATA when there are none and the recipe brings none */
  recipeSources(recipeHasOwn: boolean): SourceSpec[] {
    if (this.#sources.length === 0 && !recipeHasOwn) {
      const hint = "lab.data(['demo/code', 'demo/math']), or lab.data('the-stack')"
      throw new LabError('SESSION_DATA', `say what to train on first: ${hint}`)
    }
    return this.#sources.map(source => ({ ...source, manifest: datasetPath(source.manifest, this.#cwd) }))
  }

  /** Probes as a recipe has them. */
  recipeProbes(): ProbeSpec[] {
    const located = ({ manifest }: ProbeSpec) => ({ manifest: datasetPath(manifest, this.#cwd) })
    return this.#probes.map(probe => ({ maxTokens: PROBE_TOKENS, ...probe, ...located(probe) }))
  }

  /** Where the given held-out sets are, or those that are set. */
  probePaths(probes?: Readonly<Record<string, string>>): ProbePath[] {
    const wanted = probes ? specsOf(probes) : this.#probes
    return wanted.map(({ manifest, ...probe }) => ({ ...probe, path: datasetPath(manifest, this.#cwd) }))
  }
}

function specsOf(probes: Readonly<Record<string, string>>): ProbeSpec[] {
  return Object.entries(probes).map(([name, manifest]) => ({ name, manifest }))
}
