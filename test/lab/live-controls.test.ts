import { expect, it } from 'vitest'
import { liveControls } from '../../src/lab/session/live-controls.js'
import { TrainingRun } from '../../src/lab/session/training-run.js'
import type { LiveStepOptions } from '../../src/live/controls.js'
import type { Recipe } from '../../src/train/recipe.js'

const result = { step: 1, steps: 9, tokens: 1, seconds: 1, modelDir: null, probes: [], sources: [] }

it('steers the run of the session, and the gates of its model', async () => {
  const run = new TrainingRun({
    name: 'a',
    dir: '/runs/a',
    recipe: {} as Recipe,
    work: async (self, { signal }) => {
      self.events.emit('status', { message: 'training' })
      await new Promise<void>(done => signal.addEventListener('abort', () => done()))
      return { ...result, status: 'interrupted' }
    },
  })
  const gates = new Map([[2, 1]])
  const step = async (name: string, { prompt = '', expansion = {} }: LiveStepOptions = {}) => ({
    number: 1,
    name,
    title: name + prompt + (expansion.groups ?? ''),
    parts: [],
  })
  const probe = async (_: undefined, { maxTokens }: { maxTokens: number }) => [
    { probe: `${maxTokens} tokens of code`, lossNats: gates.get(2)! },
  ]
  const lab = { run, isLoaded: true, gates: () => gates, gate: (value: number) => gates.set(2, value), step, probe }
  const controls = liveControls(lab)
  await Promise.resolve()
  await Promise.resolve()
  await controls.pause('/runs/a')
  expect(controls.active()).toEqual({ dir: '/runs/a', isPaused: true })
  await controls.resume('/runs/a')
  expect(controls.active()).toEqual({ dir: '/runs/a', isPaused: false })
  expect(() => controls.pause('/runs/b')).toThrow(/not trained by this session/)
  await controls.gate(0.5)
  expect([...controls.gates()]).toEqual([[2, 0.5]])
  await expect(controls.scores!()).rejects.toThrow(/while it is paused/)
  await controls.pause('/runs/a')
  expect(await controls.scores!()).toEqual([{ probe: '1024 tokens of code', lossNats: 0.5 }])
  await controls.resume('/runs/a')
  expect(controls.walk?.names).toHaveLength(9)
  expect(await controls.walk?.svg('ladder', { prompt: ' here' })).toContain('1. ladder here')
  expect(await controls.walk?.svg('ladder', { expansion: { groups: 3 } })).toContain('1. ladder3')
  await controls.stop('/runs/a')
  expect(controls.active()).toBeNull()
  expect([...liveControls({ ...lab, isLoaded: false }).gates()]).toEqual([])
})
