import { expect, it } from 'vitest'
import { openTokenizer } from '../../src/tokenizer/tokenizer.js'
import { describeWithPython, runPython } from '../support/python.js'
import { demoTokenizer } from './models.js'
import { awkwardTexts, prosePieces } from './texts.js'

interface Tokenized {
  bos: number
  eos: number
  texts: { ids: number[]; withSpecial: number[]; decoded: string }[]
}

describeWithPython('AutoTokenizer opens the demo vocabulary', () => {
  it('gives the ids and texts of both engines', async () => {
    const texts = [...awkwardTexts, ...prosePieces(50)]
    const theirs = await runPython<Tokenized>('tokenize_texts.py', { tokenizer: demoTokenizer, texts })
    for (const engine of ['rust', 'js'] as const) {
      const tokenizer = await openTokenizer(demoTokenizer, { engine })
      expect([tokenizer.bosTokenId, tokenizer.eosTokenId]).toEqual([theirs.bos, theirs.eos])
      const ours = texts.map(text => {
        const ids = [...tokenizer.encode(text)]
        const withSpecial = [...tokenizer.encode(text, { addSpecialTokens: true })]
        return { ids, withSpecial, decoded: tokenizer.decode(ids) }
      })
      expect(ours).toEqual(theirs.texts)
    }
  })
})
