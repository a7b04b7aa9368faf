import { spawn, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { zstdStoreFrame } from '../../datasets/demo/zstd-store.js'
import { builtKernelSpec } from '../kernel/built-kernel.js'
import { type FakeFile, type FakeRepo, startFakeHub } from '../support/fake-hub.js'
import { repositoryRoot } from '../support/shared.js'
import { temporaryDirectory } from '../support/temporary.js'
import { documents, writeBase } from '../support/tiny-run.js'

const python = process.env['LLAMA_PRO_TEST_PYTHON'] ?? 'python3'
const isAvailable = spawnSync(python, ['-c', 'import nbclient']).status === 0
const folder = join(repositoryRoot, 'notebooks')
const names = readdirSync(folder).filter(name => name.endsWith('.ipynb'))

interface Output {
  output_type: string
  name?: string
  text?: string | string[]
  data?: Record<string, string | string[]>
}
interface Notebook {
  cells: { cell_type: string; source: string | string[]; outputs?: Output[] }[]
  metadata: { kernelspec: { name: string } }
}

const read = (path: string) => JSON.parse(readFileSync(path, 'utf8')) as Notebook
const joined = (text: string | string[] = '') => (Array.isArray(text) ? text.join('') : text)
const outputsOf = ({ cells }: Notebook) => cells.flatMap(cell => cell.outputs ?? [])
/** What a reader without pictures sees of an output. */
const plain = ({ text, data }: Output) => joined(text ?? data?.['text/plain'])

describe('saved notebooks', () => {
  test('there are some', () => {
    expect(names).toContain('00-first-steps.ipynb')
  })

  test.each(names)('%s tells its story without a kernel', name => {
    const notebook = read(join(folder, name))
    expect(notebook.metadata.kernelspec.name).toBe('llama-pro')
    const outputs = outputsOf(notebook)
    expect(outputs.filter(output => output.output_type === 'error' || output.name === 'stderr')).toEqual([])
    // at least one picture that needs no script
    expect(outputs.some(({ data }) => data !== undefined && 'image/svg+xml' in data)).toBe(true)
    // what was shown of a run is how it ended
    expect(outputs.map(plain).filter(text => /: (starting|training|paused) {2}step 0\//.test(text))).toEqual([])
    const isEmpty = ({ data }: Output) => data !== undefined && Object.values(data).every(value => joined(value) === '')
    expect(outputs.filter(isEmpty)).toEqual([])
    const text = readFileSync(join(folder, name), 'utf8')
    expect(text.length).toBeLessThan(300_000)
    expect(text).not.toMatch(/token=|ws:\/\/127\.0\.0\.1:\d+\/[^"]*[0-9a-f]{16}/)
    expect(text).not.toMatch(/(?<![\w.])\/(home|Users|root|tmp|var|mnt|opt)\/\w/)
  })

  test.each(names)('%s begins with the time that it takes', name => {
    expect(joined(read(join(folder, name)).cells[0]!.source)).toMatch(/\babout (one|two) minutes?\b/i)
  })
})

describe.skipIf(!isAvailable)('nbclient executes', () => {
  const dir = temporaryDirectory('notebooks')
  const specs = join(dir, 'kernels', 'llama-pro')
  const script = fileURLToPath(new URL('execute.py', import.meta.url))
  mkdirSync(specs, { recursive: true })
  writeFileSync(join(specs, 'kernel.json'), JSON.stringify(builtKernelSpec()))

  /** Executes a notebook; its cells see an empty cache of the hub. */
  async function execute(path: string, env: Record<string, string>, options: string[] = []): Promise<void> {
    const own = {
      JUPYTER_PATH: dir,
      LLAMA_PRO_HISTORY: join(dir, 'history.jsonl'),
      HF_HOME: join(dir, 'hub'),
      HF_TOKEN: '',
    }
    const child = spawn(python, [script, ...options, path], {
      cwd: dir,
      env: { ...process.env, ...own, ...env },
      timeout: 600_000,
    })
    const said = { stdout: '', stderr: '' }
    for (const stream of ['stdout', 'stderr'] as const)
      child[stream].on('data', (data: Buffer) => {
        said[stream] += data.toString()
      })
    await new Promise(resolve => child.on('close', resolve))
    const failed = { error: said.stderr, outputs: 0, unfinished: [], seconds: 0 }
    const result = said.stdout ? (JSON.parse(said.stdout) as typeof failed) : failed
    // how long it took belongs to the log; a limit would test how busy the machine is
    console.info(`${path.split('/').at(-1)}: ${result.seconds} s`)
    expect(result).toMatchObject({ error: null, unfinished: [] })
    expect(result.outputs).toBeGreaterThan(0)
  }

  // each is a process and a kernel; a machine with much to do takes minutes for the longest
  test.concurrent.each(names)('%s', name => execute(join(folder, name), { HF_HUB_OFFLINE: '1' }), 900_000)

  test('05-a-real-checkpoint.ipynb with a hub that answers', async () => {
    const base = await writeBase(join(dir, 'tiny'), { layers: 6, context: 128 })
    const lines = (seed: string) =>
      new TextEncoder().encode(
        documents(40, seed)
          .map(text => `${JSON.stringify({ text })}\n`)
          .join(''),
      )
    const weights = (name: string): FakeFile => ({
      bytes: readFileSync(join(base, name)),
      large: name.endsWith('.safetensors'),
    })
    const shard = (seed: string): FakeFile => ({ bytes: zstdStoreFrame(lines(seed)), large: true })
    const subsets = ['arxiv', 'open-web-math', 'algebraic-stack']
    const model: FakeRepo = {
      type: 'model',
      name: 'HuggingFaceTB/SmolLM2-135M',
      commit: 'a'.repeat(40),
      files: Object.fromEntries(readdirSync(base).map(name => [name, weights(name)])),
    }
    const dataset: FakeRepo = {
      type: 'dataset',
      name: 'EleutherAI/proof-pile-2',
      commit: 'b'.repeat(40),
      files: Object.fromEntries(subsets.map(name => [`${name}/train/0.jsonl.zst`, shard(name)])),
    }
    const hub = await startFakeHub([model, dataset])
    try {
      const path = join(dir, 'online.ipynb')
      copyFileSync(join(folder, '05-a-real-checkpoint.ipynb'), path)
      // blocks of files, which are known by their content, are kept there
      const cache = { XDG_CACHE_HOME: join(dir, 'cache') }
      await execute(path, { HF_ENDPOINT: hub.url, HF_HUB_OFFLINE: '', ...cache }, ['--save'])
      expect(hub.bodies('model.safetensors')).toHaveLength(1)
      expect(hub.bodies('.jsonl.zst').length).toBeGreaterThan(0)
      const said = outputsOf(read(path)).map(plain).join('\n')
      expect(said).not.toContain('cannot be reached')
      expect(said).toContain('6 -> 12 blocks')
      expect(said).toContain('identical, bit for bit')
      expect(said).toContain('proof-pile-2')
      expect(said).toContain('done  step 4/4')
    } finally {
      await hub.close()
    }
  })
})
