import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'
import { expect, test } from 'vitest'
import { type LockHolder, withPidLock } from '../../src/util/pid-lock.js'
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

test('without a sign of life for staleMs a lock is broken, even of another machine or torn', async () => {
  for (const holder of ['', JSON.stringify({ pid: 1, threadId: 0, host: 'elsewhere', nonce: 'n' })]) {
    const path = lockPath()
    leaveLock(path, {})
    writeFileSync(path, holder)
    const then = new Date(Date.now() - 5000)
    utimesSync(path, then, then)
    expect(await withPidLock(path, async () => 'held', { staleMs: 4000 })).toBe('held')
  }
})

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
