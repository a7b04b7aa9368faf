import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Files that take minutes are begun first, so that the suite does not end with one of them alone. */
const longest = [
  /notebooks\.slow/,
  /torch[^/]*\.slow/,
  /resume\.slow/,
  /terminal[^/]*\.slow/,
  /jupyterlab/,
  /parity\/webgpu/,
]

/** Slow tests that wait more than they compute, for keys that are typed, pages and kernels: two at a time. */
const light = [
  'test/kernel/evaluator.slow.test.ts',
  'test/kernel/hostile.slow.test.ts',
  'test/kernel/lab.slow.test.ts',
  'test/kernel/protocol.slow.test.ts',
  'test/live/browser.slow.test.ts',
  'test/live/page-controls.slow.test.ts',
  'test/notebooks/jupyterlab.slow.test.ts',
  'test/repl/terminal-ends.slow.test.ts',
  'test/repl/terminal.slow.test.ts',
]

/** Slow tests that measure times, and the demo with all cores: each has the machine for itself. */
const alone = ['test/engines/lag.slow.test.ts', 'test/live/fluid.slow.test.ts', 'test/repl/story.slow.test.ts']

/** One more than there are cores: programs that start, end and wait for each other left a third of the time unused. */
const more = Math.min(availableParallelism(), 4) + 1

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = longest.findIndex(pattern => pattern.test(moduleId))
      return place < 0 ? longest.length : place
    }
    const sorted = await super.sort(files)
    return sorted.sort((a, b) => rank(a) - rank(b))
  }
}

/** They drive whole programs on machines that do other things too: one more try, and `npm test` tells which needed it. */
const patient = { testTimeout: 300_000, hookTimeout: 300_000, retry: 1, expect: { poll: { timeout: 30_000 } } }

/**
 * `fast` is the suite of every edit (under a minute); `slow` runs whole programs side by side, each computing with one
 * thread (idle threads of onnxruntime spin, which costs the neighbour a core); `light` runs those that mostly wait;
 * `alone` those that need a quiet machine; `parity` compares with Hugging Face transformers.
 */
export default defineConfig({
  test: {
    pool: 'forks',
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: {
          name: 'fast',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.slow.test.ts', 'test/parity/**'],
          maxWorkers: availableParallelism(),
          // one copy of every module for all files of a process: half the time of the suite was loading them
          isolate: false,
          env: { LLAMA_PRO_THREADS: '1' },
          // a busy machine makes nothing wrong
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'slow',
          include: ['test/**/*.slow.test.ts'],
          exclude: [...light, ...alone],
          maxWorkers: more,
          // notebooks, each a process and a kernel
          maxConcurrency: 2,
          env: { LLAMA_PRO_THREADS: '1' },
          sequence: { groupOrder: 1 },
          ...patient,
        },
      },
      {
        extends: true,
        test: {
          name: 'light',
          include: light,
          maxWorkers: 2,
          env: { LLAMA_PRO_THREADS: '1' },
          sequence: { groupOrder: 2 },
          ...patient,
        },
      },
      {
        extends: true,
        test: { name: 'alone', include: alone, maxWorkers: 1, sequence: { groupOrder: 3 }, ...patient },
      },
      {
        extends: true,
        test: {
          name: 'parity',
          include: ['test/parity/**/*.test.ts'],
          maxWorkers: more,
          env: { LLAMA_PRO_THREADS: '1' },
          sequence: { groupOrder: 4 },
          ...patient,
          retry: 0,
        },
      },
    ],
  },
})
