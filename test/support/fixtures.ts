import { readFileSync } from 'node:fs'
import { hasShared, shared } from './shared.js'

/** The reference cases dumped from transformers; every one holds `model/`, `expected.json` and `expected.safetensors`. */
export const fixtureNames = [
  'llama-mha-untied',
  'llama-gqa-tied-sharded',
  'llama3-rope-bf16',
  'llama3-rope-old',
  'llama-headdim-bias',
  'mistral-sliding',
  'qwen2-bias-tied',
  'qwen3-qknorm',
]

export const hasFixtures = hasShared('fixtures/llama-mha-untied')

export function fixtureModel(name: string): string {
  return shared(`fixtures/${name}/model`)
}

export function fixtureConfigJson(name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(`${fixtureModel(name)}/config.json`, 'utf8')) as Record<string, unknown>
}

export interface ExpectedFixture {
  first_step_nonzero_grads: string[]
  [key: string]: unknown
}

export function fixtureExpected(name: string): ExpectedFixture {
  return JSON.parse(readFileSync(shared(`fixtures/${name}/expected.json`), 'utf8')) as ExpectedFixture
}
