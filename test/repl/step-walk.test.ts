import { setTimeout as sleep } from 'node:timers/promises'
import { expect, it, vi } from 'vitest'
import { key } from '../../repl/editor/keys.js'
import { StepWalk } from '../../repl/terminal/step-walk.js'
import type { Lab, LessonOptions } from '../../src/index.js'

it('the step walk computes one lesson at a time, that which is open, and stops when it is left', async () => {
  const computed: number[] = []
  const shown: number[] = []
  let atOnce = 0
  let most = 0
  const step = async (index: number, { signal }: LessonOptions) => {
    computed.push(index)
    most = Math.max(most, ++atOnce)
    await sleep(400, undefined, { signal: index === 9 ? undefined : signal }).catch(() => {})
    atOnce--
    signal!.throwIfAborted()
    return { number: index, title: `lesson ${index}`, parts: [] }
  }
  const size = () => ({ columns: 80, rows: 20, color: false })
  const lab = { step } as unknown as Lab
  const walk = new StepWalk(1, { lab, options: {}, size, onChange: () => {}, onShown: index => shown.push(index) })
  for (let i = 0; i < 8; i++) walk.press(key('right'))
  await vi.waitFor(() => expect(computed).toEqual([9]), { timeout: 5000 })
  // the ninth does not listen to its signal: what comes after it waits
  walk.press(key('left'))
  await vi.waitFor(() => expect(walk.view.title).toBe('lesson 8'), { timeout: 5000 })
  walk.press(key('left'))
  await vi.waitFor(() => expect(computed).toEqual([9, 8, 7]), { timeout: 5000 })
  await vi.waitFor(() => expect(walk.view.title).toBe('lesson 7'), { timeout: 5000 })
  // a lesson that is shown again is not told of again
  walk.press(key('right'))
  await vi.waitFor(() => expect(computed).toEqual([9, 8, 7, 8]), { timeout: 5000 })
  await vi.waitFor(() => expect(walk.view.title).toBe('lesson 8'), { timeout: 5000 })
  walk.press(key('left'))
  await vi.waitFor(() => expect(computed).toEqual([9, 8, 7, 8, 7]), { timeout: 5000 })
  walk.press(key('escape'))
  await vi.waitFor(() => expect(atOnce).toBe(0), { timeout: 300 })
  expect(most).toBe(1)
  expect(shown).toEqual([8, 7])
})
