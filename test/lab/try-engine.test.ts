import { expect, it, onTestFinished } from 'vitest'
import { softwareDevices, softwareFault } from '../../src/engines/webgpu/software.js'
import { tryEngine } from '../../src/lab/try-engine.js'

/** The devices that compute here: those in software whose driver is there and new enough. */
async function outcomes(): Promise<string[]> {
  const tried = softwareDevices.map(
    async device => `${device}: ${await tryEngine(device).catch((e: Error) => e.message)}`,
  )
  return Promise.all(tried)
}

it('tries every device of webgpu, whatever this process and those before it have chosen', async () => {
  const first = await outcomes()
  for (const [i, device] of softwareDevices.entries()) {
    const expected = softwareFault(device) === null ? /on webgpu: .*software|which WebGPU needs/ : /no \w+ found/
    expect(first[i]).toMatch(expected)
  }
  expect(process.env['VK_ICD_FILENAMES']).toBe(undefined)
  expect(await tryEngine('reference')).toMatch(/float64/)
})

it('asks for the arithmetic that it is told, and knows no other devices', async () => {
  await expect(tryEngine('webgpu:swiftshader', { precision: 'bf16' })).rejects.toThrow(
    /bf16 is not supported on webgpu:swift/,
  )
  await expect(tryEngine('webgpu:lavapip')).rejects.toThrow(/unknown device "webgpu:lavapip".*webgpu:lavapipe"\?$/)
})

it('survives a driver that ends its process, and ends with the signal', async () => {
  // as a driver's assertion would
  const preload = (code: string) => `--import data:text/javascript,${encodeURIComponent(code)}`
  process.env['NODE_OPTIONS'] = preload('console.error("no such card"); process.kill(process.pid, "SIGABRT")')
  onTestFinished(() => void delete process.env['NODE_OPTIONS'])
  await expect(tryEngine('webgpu')).rejects.toThrow(/ended with SIGABRT; its driver may be broken.*no such card/s)
  process.env['NODE_OPTIONS'] = preload('await new Promise(resolve => setTimeout(resolve, 1e6))')
  await expect(tryEngine('webgpu', { signal: AbortSignal.timeout(300) })).rejects.toThrow(/abort/i)
})
