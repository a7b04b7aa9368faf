/** The result of a run of recipes in Hugging Face transformers: the same logits, and the same bits per byte of held-out files. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { OnnxEngine } from '../../src/engines/onnx/engine.js'
import { evaluateModel } from '../../src/lab/evaluate-model.js'
import { runRecipe } from '../../src/lab/run-recipe.js'
import { openTokenizer } from '../../src/tokenizer/tokenizer.js'
import { parseRecipe } from '../../src/train/recipe.js'
import { formatTable } from '../../src/util/format.js'
import { describeWithPython, runPython } from '../support/python.js'
import { temporaryDirectory } from '../support/temporary.js'
import { demoTokenizer, type LoadedModel, logitsOfModel, maxDifference } from './models.js'
import { awkwardTexts, jsonl, proseFiles, prosePieces } from './texts.js'

interface Score {
  bitsPerByte: number
  lossNats: number
  tokens: number
  bytes: number
  documents: number
}

const tinyInit = {
  hiddenSize: 64,
  intermediateSize: 128,
  numHiddenLayers: 2,
  numAttentionHeads: 4,
  numKeyValueHeads: 2,
  headDim: 16,
  vocabSize: 4096,
  maxPositionEmbeddings: 128,
}

describeWithPython('transformers opens trained models', () => {
  const dir = temporaryDirectory('interop-trained')
  const heldOut = join(dir, 'held-out.jsonl')
  const table: string[][] = []
  let base: string
  let expanded: string

  /** Trains on the first pieces of the prose; the model's directory. */
  async function train(name: string, changes: Record<string, unknown>): Promise<string> {
    const common = {
      name,
      data: { sources: [{ manifest: 'train.yaml' }], seqLen: 64 },
      probes: [{ name: 'held-out', manifest: 'held-out.jsonl', maxTokens: 64 }],
      optimizer: { lr: 0.01 },
      batch: { microBatch: 4 },
      seed: 7,
    }
    const recipe = parseRecipe({ ...common, ...changes }, { baseDir: dir })
    const { modelDir } = await runRecipe({ recipe, out: join(dir, `run-${name}`) })
    return modelDir!
  }

  beforeAll(async () => {
    const pieces = prosePieces(60)
    writeFileSync(join(dir, 'train.jsonl'), jsonl(pieces.slice(0, 50)))
    // a manifest's own name and relative files give the same order of documents in every directory
    writeFileSync(join(dir, 'train.yaml'), 'name: train\nfiles: train.jsonl\n')
    writeFileSync(heldOut, jsonl([...awkwardTexts, '', pieces.slice(50).join(' ')]))
    base = await train('base', { init: tinyInit, tokenizer: demoTokenizer, method: 'full', steps: 20 })
    expanded = await train('expanded', { model: base, method: 'expansion', expansion: { groups: 2 }, steps: 10 })
  })

  afterAll(() => console.log(`\n${formatTable(['against transformers', 'value', 'error'], table)}\n`))

  it('has the logits that transformers computes, others than its base has', async () => {
    const tokenizer = await openTokenizer(demoTokenizer)
    const ids = [tokenizer.bosTokenId!, ...tokenizer.encode('The river carries its gravel down to the sea.')]
    const models = [base, expanded]
    const theirs = await runPython<LoadedModel[]>('logits.py', { models, ids })
    expect(theirs.map(({ layers }) => layers)).toEqual([2, 4])
    expect(theirs[1]!.llamaPro).toMatchObject({ version: 1, layers: [{ index: 1 }, { index: 3 }] })
    expect(maxDifference(theirs[0]!.logits, theirs[1]!.logits)).toBeGreaterThan(0.1)
    const engine = new OnnxEngine()
    for (const [i, { loading, logits }] of theirs.entries()) {
      expect(Object.values(loading).flat()).toEqual([])
      const error = maxDifference(await logitsOfModel(models[i]!, ids, engine), logits)
      const largest = Math.max(...logits.map(Math.abs)).toFixed(2)
      table.push([`trained model of ${theirs[i]!.layers} blocks, logits to`, largest, error.toExponential(1)])
      expect(error).toBeLessThanOrEqual(2e-4)
    }
    await engine.dispose()
  })

  it.each([
    { what: 'prose, one document a file', path: () => join(proseFiles[0]!, '../*.txt'), files: () => proseFiles },
    { what: 'jsonl of awkward texts', path: () => heldOut, files: () => [heldOut] },
  ])('has the bits per byte that transformers computes: $what', async ({ what, path, files }) => {
    // windows shorter than the documents, so that some end inside a window and some do not
    const seqLen = 96
    const [ours] = await evaluateModel({ model: expanded, probes: [{ name: 'held-out', path: path() }], seqLen })
    const theirs = await runPython<Score>('bits_per_byte.py', { model: expanded, files: files(), seqLen })
    const { documents, tokensScored, bytesScored, lossNats, bitsPerByte } = ours!
    expect([documents, tokensScored, bytesScored]).toEqual([theirs.documents, theirs.tokens, theirs.bytes])
    const error = Math.abs(bitsPerByte / theirs.bitsPerByte - 1)
    table.push([`bits/byte of ${what}`, theirs.bitsPerByte.toFixed(4), error.toExponential(1)])
    expect(error).toBeLessThanOrEqual(1e-4)
    expect(Math.abs(lossNats / theirs.lossNats - 1)).toBeLessThanOrEqual(1e-4)
  })
})
