import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { type LockHolder, lockHolder, withPidLock } from '../../src/util/pid-lock.js'
import { sleep } from '../../src/util/retry.js'

const lockPath = () => join(mkdtempSync(join(tmpdir(), 'lock-')), 'deep', 'x.pid')

function leaveLock(path: string, holder: Partial<LockHolder>): void {
  spawnSync('mkdir', ['-p', join(path, '..')])
  writeFileSync(path, JSON.stringify({ pid: process.pid, threadId, host: hostname(), nonce: 'old', ...holder }))
}

test('only one holder at a time, and the file is gone afterwards, also after an error', async () => {
  const path = lockPath()
  let inside = 0
  let most = 0
  const work = async () => {
    most = Math.max(most, ++inside)
    await sleep(5)
    inside--
  }
  await Promise.all(Array.from({ length: 8 }, () => withPidLock(path, work, { pollMs: 1 })))
  expect(most).toBe(1)
  await expect(withPidLock(path, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed')
  expect(existsSync(path)).toBe(false)
})

test('locks taken and given back without a pause never overlap', async () => {
  const path = lockPath()
  let inside = 0
  let most = 0
  const work = async () => {
    most = Math.max(most, ++inside)
    await Promise.resolve()
    inside--
  }
  for (let round = 0; round < 20; round++)
    await Promise.all(Array.from({ length: 16 }, () => withPidLock(path, work, { pollMs: 0 })))
  expect(most).toBe(1)
})

test('a lock of a process that is gone is broken; so is one left under our own pid', async () => {
  const gone = spawnSync(process.execPath, ['-e', '']).pid
  for (const pid of [gone, process.pid]) {
    const path = lockPath()
    leaveLock(path, { pid })
    expect(await withPidLock(path, async () => JSON.parse(readFileSync(path, 'utf8')).nonce)).not.toBe('old')
  }
})

test('a live lock is waited for, its holder is told, and an abort ends the wait', async () => {
  const path = lockPath()
  leaveLock(path, { pid: process.ppid })
  const control = new AbortController()
  const told: (number | undefined)[] = []
  const onWait = (holder: LockHolder | null) => {
    told.push(holder?.pid)
    setTimeout(() => control.abort(new Error('no more')), 30)
  }
  const waiting = withPidLock(path, async () => 'held', { signal: control.signal, onWait, pollMs: 5 })
  await expect(waiting).rejects.toThrow('no more')
  expect(told).toEqual([process.ppid])
  expect(JSON.parse(readFileSync(path, 'utf8')).nonce).toBe('old')
})

test('without a sign of life for staleMs a lock of another machine is broken, and a torn one', async () => {
  for (const holder of ['', JSON.stringify({ pid: 1, threadId: 0, host: 'elsewhere', nonce: 'n' })]) {
    const path = lockPath()
    leaveLock(path, {})
    writeFileSync(path, holder)
    const then = new Date(Date.now() - 5000)
    utimesSync(path, then, then)
    expect(await withPidLock(path, async () => 'held', { staleMs: 4000 })).toBe('held')
  }
})

test('a process that is only stopped keeps its lock, however long it gives no sign of life', async () => {
  const path = lockPath()
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  try {
    child.kill('SIGSTOP')
    leaveLock(path, { pid: child.pid! })
    const then = new Date(Date.now() - 3_600_000)
    utimesSync(path, then, then)
    const signal = AbortSignal.timeout(100)
    await expect(withPidLock(path, async () => 'held', { signal, staleMs: 10, pollMs: 5 })).rejects.toThrow('timeout')
    expect(await lockHolder(path, 10)).toMatchObject({ pid: child.pid })
    child.kill('SIGKILL')
    expect(await withPidLock(path, async () => 'held', { pollMs: 5 })).toBe('held')
  } finally {
    child.kill('SIGKILL')
  }
})

test.runIf(existsSync('/proc/self/stat'))(
  'a later process of the same number does not hold a silent lock',
  async () => {
    const path = lockPath()
    leaveLock(path, { pid: process.ppid, started: '1' })
    // touched just now: the holder may be in another container of the same host name
    expect(await lockHolder(path)).toMatchObject({ nonce: 'old' })
    const then = new Date(Date.now() - 61_000)
    utimesSync(path, then, then)
    expect(await lockHolder(path)).toBeNull()
    expect(await withPidLock(path, async () => JSON.parse(readFileSync(path, 'utf8')))).toMatchObject({
      pid: process.pid,
      started: expect.stringMatching(/^\d+$/),
    })
  },
)

test('a holder that works long keeps its lock by touching it', async () => {
  const path = lockPath()
  const order: string[] = []
  const long = withPidLock(
    path,
    async () => {
      await sleep(400)
      order.push('long')
    },
    { staleMs: 150 },
  )
  await sleep(20)
  await withPidLock(path, async () => void order.push('next'), { staleMs: 150, pollMs: 10 })
  await long
  expect(order).toEqual(['long', 'next'])
})
