/** The Python process: what becomes of it, and of the engine, when something goes wrong. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { TorchEngine } from '../../src/engines/torch/engine.js'
import { findPython } from '../../src/engines/torch/python.js'
import '../../src/tensor/fluent.js'
import { fromHost, input } from '../../src/tensor/leaf.js'
import { sin } from '../../src/tensor/ops/elementwise.js'
import { gather } from '../../src/tensor/ops/indexing.js'
import { full } from '../../src/tensor/ops/movement.js'
import { sum } from '../../src/tensor/ops/reduce.js'
import { compile, realize } from '../../src/tensor/program.js'
import { Variable } from '../../src/tensor/variable.js'
import { describeWithPython, hasCompiler } from '../support/python.js'
import { temporaryDirectory } from '../support/temporary.js'

const start = (options: ConstructorParameters<typeof TorchEngine>[0] = {}) =>
  new TorchEngine({ compile: 'never', threads: 1, ...options })

/** Processes of the group that the engine's process leads; on other systems than Linux nothing is known of them. */
function groupOf(pid: number): number[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(name => {
      try {
        const [state, , group] = readFileSync(`/proc/${name}/stat`, 'utf8')
          .replace(/^.*\) /, '')
          .split(' ')
        return Number(group) === pid && state !== 'Z'
      } catch {
        return false
      }
    })
    .map(Number)
}

async function untilGone(pid: number): Promise<number[]> {
  for (let i = 0; i < 100 && groupOf(pid).length > 0; i++) await new Promise(resolve => setTimeout(resolve, 50))
  return groupOf(pid)
}

/** The places of shared files that the engines of a process have, or have left. */
function filesOf(pid: number): string[] {
  const roots = ['/dev/shm', tmpdir()].filter(path => existsSync(path))
  const paths = roots.flatMap(root => readdirSync(root).map(name => join(root, name)))
  return paths.filter(path => basename(path).startsWith(`llama-pro-torch-${pid}-`))
}

/** A program that is busy with a run (or, compiled, with g++) for long after it has printed the id of the engine's process. */
const longRun = (compile: string) => `
  import { TorchEngine } from './src/engines/torch/engine.js'
  import { input } from './src/tensor/leaf.js'
  import { sin } from './src/tensor/ops/elementwise.js'
  import { matmul } from './src/tensor/ops/matmul.js'
  import { compile } from './src/tensor/program.js'

  const engine = new TorchEngine({ compile: '${compile}', threads: 2 })
  const x = input('x', [1500, 1500])
  let y = x
  for (let i = 0; i < 400; i++) y = matmul(sin(y), x)
  const program = compile({ outputs: { y }, engine })
  program.load().then(() => {
    void program.run({ x: new Float32Array(2250000) })
    setTimeout(() => console.log(engine.pid), 4000)
  })
`

const ones = (n: number) => new Float32Array(n).fill(1)

describeWithPython('the PyTorch process', () => {
  it('has no torch: the error has the command that installs it', async () => {
    const path = join(temporaryDirectory('torch'), 'python')
    writeFileSync(path, `#!/bin/sh\nexec "${findPython()}" -S "$@"\n`, { mode: 0o755 })
    const engine = start({ python: path })
    await expect(engine.memory()).rejects.toMatchObject({
      code: 'TORCH_MISSING',
      message: expect.stringContaining(`"${path}" -m pip install "torch>=2.4"`),
    })
    await engine.dispose()
  })

  describe('that goes on', () => {
    // one for all of these: importing torch takes seconds
    let engine: TorchEngine
    beforeAll(() => {
      engine = start()
    })
    afterAll(() => engine.dispose())

    it('says what it found once it has answered', async () => {
      await engine.memory()
      expect(engine.description).toMatch(/^PyTorch \d+\.\d+\S* on cpu, 1 threads, f32, eager$/)
    })

    it('tells what it holds in its own process, beside ours', async () => {
      const { elsewhere } = await engine.memory()
      expect(elsewhere).toMatchObject({ name: "PyTorch's" })
      // torch alone is as large as that
      expect(elsewhere!.residentBytes).toBeGreaterThan(100e6)
      const rows = 25_000_000
      new Variable([rows], 'f32', { kind: 'host', data: ones(rows) }, { engine })
      const more = (await engine.memory()).elsewhere!.residentBytes
      expect(more - elsewhere!.residentBytes).toBeGreaterThan(90e6)
    })

    it('reads ranges of files itself, converting them, and says where one is too short', async () => {
      const path = join(temporaryDirectory('torch'), 'weights')
      writeFileSync(path, Uint8Array.of(9, 9, 0x80, 0x3f, 0x20, 0xc0))
      const file = { kind: 'file', path, byteOffset: 2, byteLength: 4, dtype: 'bf16' } as const
      const variable = new Variable([2], 'f32', file, { engine })
      expect(await variable.read()).toEqual(Float32Array.of(1, -2.5))
      const short = engine.createVariable({ shape: [4], dtype: 'f32' }, { ...file, byteLength: 8 })
      const message = expect.stringContaining(path)
      await expect(engine.readVariable(short)).rejects.toMatchObject({ code: 'TRUNCATED', message })
    })

    it('goes on after a run that failed, with the variables as they were', async () => {
      const table = new Variable([4, 2], 'f32', { kind: 'host', data: ones(8) }, { engine })
      const rows = compile({
        outputs: { y: gather(table.value, input('ids', [1], 'i32')) },
        updates: [[table, table.value.mul(2)]],
      })
      await expect(rows.run({ ids: Int32Array.of(7) })).rejects.toMatchObject({ code: 'ENGINE' })
      expect((await rows.run({ ids: Int32Array.of(1) })).y).toEqual(Float32Array.of(1, 1))
      expect(await table.read()).toEqual(new Float32Array(8).fill(2))
    })

    it('runs out of memory: a typed error with sizes, and it goes on', async () => {
      const huge = full([1 << 20, 1 << 20], 1).mul(fromHost(ones(1 << 20), [1 << 20], 'f32'))
      await expect(realize([sum(huge)], { engine })).rejects.toMatchObject({
        code: 'OUT_OF_MEMORY',
        message: expect.stringMatching(/4398046511104|4096/),
      })
      expect((await realize([sum(fromHost(ones(3), [3], 'f32'))], { engine }))[0]![0]).toBe(3)
    })
  })

  it('refuses a device that is not there', async () => {
    const engine = start({ device: process.platform === 'darwin' ? 'cuda' : 'mps' })
    await expect(engine.memory()).rejects.toMatchObject({
      code: 'DEVICE',
      message: expect.stringContaining('torch:cpu'),
    })
    await engine.dispose()
  })

  it('takes and gives large tensors through files, none of which is left', async () => {
    const engine = start()
    const length = 1_500_000
    const data = Float32Array.from({ length }, (_, i) => i % 1000)
    const variable = new Variable([length], 'f32', { kind: 'host', data }, { engine })
    data.fill(-1)
    expect((await variable.read()).slice(997, 1003)).toEqual(Float32Array.of(997, 998, 999, 0, 1, 2))
    const [total, all] = await realize([
      sum(variable.value),
      variable.value.add(fromHost(ones(length), [length], 'f32')),
    ])
    expect(total![0]! / (1500 * 499_500)).toBeCloseTo(1, 6)
    expect([all![1], all!.length]).toEqual([2, length])
    variable.write(ones(length))
    expect((await realize([sum(variable.value)]))[0]![0]).toBe(length)
    const { pid } = engine
    await engine.dispose()
    expect(await untilGone(pid!)).toEqual([])
    expect(filesOf(process.pid)).toEqual([])
  })

  it.skipIf(!existsSync('/dev/full'))('takes and gives large tensors elsewhere when /dev/shm is full', async () => {
    const engine = start()
    const [nearest] = filesOf(process.pid)
    // whoever writes through one of these is told that the device is full
    for (let i = 0; i < 10; i++) {
      symlinkSync('/dev/full', join(nearest!, `request-${i}`))
      symlinkSync('/dev/full', join(nearest!, `answer-${i}-0`))
    }
    const data = Float32Array.from({ length: 500_000 }, (_, i) => i % 1000)
    const variable = new Variable([data.length], 'f32', { kind: 'host', data }, { engine })
    expect(await variable.read()).toEqual(data)
    expect(existsSync(join(nearest!, 'request-0')) || existsSync(join(nearest!, 'answer-0-0'))).toBe(false)
    await engine.dispose()
    expect(filesOf(process.pid)).toEqual([])
  })

  it.skipIf(!existsSync('/dev/null'))('says so when a large tensor does not reach it', async () => {
    const engine = start()
    for (const place of filesOf(process.pid)) symlinkSync('/dev/null', join(place, 'request-0'))
    const variable = new Variable([500_000], 'f32', { kind: 'host', data: ones(500_000) }, { engine })
    await expect(variable.read()).rejects.toMatchObject({
      code: 'ENGINE',
      message: expect.stringMatching(/request-0 ended at byte 0, expected 2000000/),
    })
    await engine.dispose()
  })

  it.skipIf(!hasCompiler)('goes on when torch.compile fails, before anything was written', async () => {
    const path = join(temporaryDirectory('torch'), 'c++')
    // answers what it is asked about itself, and compiles nothing
    writeFileSync(path, '#!/bin/sh\ncase "$*" in *-o*|*-c*) echo broken >&2; exit 1;; *) exec g++ "$@";; esac\n', {
      mode: 0o755,
    })
    vi.stubEnv('CXX', path)
    // kernels that another test has built would need no compiler
    vi.stubEnv('TORCHINDUCTOR_CACHE_DIR', temporaryDirectory('torch'))
    const engine = new TorchEngine({ compile: 'always', threads: 1 })
    vi.unstubAllEnvs()
    const variable = new Variable([64, 64], 'f32', { kind: 'host', data: ones(4096) }, { engine })
    const program = compile({ outputs: {}, updates: [[variable, sin(variable.value).mul(2)]] })
    await expect(program.run()).rejects.toMatchObject({
      code: 'ENGINE',
      message: expect.stringContaining('--torch-eager'),
    })
    expect(engine.ended).toBeNull()
    expect((await variable.read()).every(x => x === 1)).toBe(true)
    await engine.dispose()
  })

  it('is killed: what waits and what comes later is told, and nothing is left of it', async () => {
    const engine = start()
    await engine.memory()
    const { pid } = engine
    const waiting = engine.memory()
    process.kill(pid!, 'SIGKILL')
    await expect(waiting).rejects.toMatchObject({ code: 'ENGINE', message: expect.stringContaining('SIGKILL') })
    expect(() => engine.createVariable({ shape: [], dtype: 'f32' }, { kind: 'zeros' })).toThrow(/SIGKILL/)
    expect(await untilGone(pid!)).toEqual([])
    await engine.dispose()
  })

  it('hangs: it is killed after the time given', async () => {
    const engine = start({ timeoutMs: 3000 })
    await engine.memory()
    const { pid } = engine
    process.kill(pid!, 'SIGSTOP')
    await expect(engine.memory()).rejects.toMatchObject({
      code: 'ENGINE',
      message: expect.stringContaining('not answered "memory" for 3 s'),
    })
    expect(await untilGone(pid!)).toEqual([])
    await engine.dispose()
  })

  it('is disposed while it is at something long: what waits is told that the engine was closed', async () => {
    const engine = start()
    await engine.memory()
    process.kill(engine.pid!, 'SIGSTOP')
    const waiting = engine.memory()
    const told = expect(waiting).rejects.toMatchObject({ code: 'ENGINE_CLOSED' })
    await engine.dispose()
    await told
    await expect(engine.memory()).rejects.toMatchObject({ code: 'ENGINE_CLOSED' })
  })

  for (const compile of ['never', 'always'])
    it.skipIf(process.platform !== 'linux')(
      `does not outlive a lab that is killed in a run; compile: ${compile}`,
      async () => {
        const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', longRun(compile)])
        const printed = await new Promise<string>(resolve => child.stdout.once('data', text => resolve(String(text))))
        const pid = Number(printed)
        expect(groupOf(pid).length).toBeGreaterThan(0)
        child.kill('SIGKILL')
        expect(await untilGone(pid)).toEqual([])
        expect(filesOf(child.pid!)).toEqual([])
      },
    )
})
