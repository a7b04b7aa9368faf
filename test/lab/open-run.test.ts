/** What is told of a run that goes on elsewhere than it began. */
import { expect, it } from 'vitest'
import { engineChange } from '../../src/lab/open-run.js'
import { writeRun } from '../../src/train/run-directory.js'
import { temporaryDirectory } from '../support/temporary.js'

it('a run that did not note its engine is compared by its device alone', () => {
  const dir = temporaryDirectory('open-run')
  const now = { device: 'cpu', engine: 'onnxruntime 2' }
  writeRun(dir, { device: 'cpu', versions: { engine: '1.0.0' } })
  expect(engineChange(dir, now)).toBeNull()
  expect(engineChange(dir, { ...now, device: 'tfjs' })).toMatch(/started with --device cpu \(an unknown engine\)/)
  writeRun(dir, { device: 'cpu', engine: 'onnxruntime 1' })
  expect(engineChange(dir, now)).toMatch(/onnxruntime 1\) and goes on with --device cpu \(onnxruntime 2\)/)
})
