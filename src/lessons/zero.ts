import { forward } from '../model/forward.js'
import { fromHost } from '../tensor/leaf.js'
import { sub } from '../tensor/ops/elementwise.js'
import { runOnce } from '../tensor/program.js'
import { shortName } from './copy.js'
import { type Lesson, matrixPicture } from './lesson.js'
import {
  defaultPrompt,
  firstPair,
  type LessonOptions,
  type LessonSubject,
  pathIn,
  promptIds,
  valuesOf,
} from './subject.js'

const CHANNELS_SHOWN = 4
const written = ['self_attn.o_proj.weight', 'mlp.down_proj.weight']

/** Lesson 3: with `o_proj` and `down_proj` zero a block adds 0 twice (LLaMA Pro, section 3.2). */
export async function zero(subject: LessonSubject, { prompt = defaultPrompt }: LessonOptions): Promise<Lesson> {
  const { model } = subject
  const { added } = firstPair(subject)
  const ids = promptIds(subject, prompt)
  const { stream, middle } = forward(model.config, model.weights, fromHost(ids, [1, ids.length], 'i32'))
  const [before, between, after] = [stream[added]!, middle[added]!, stream[added + 1]!]
  const outputs = { before, attention: sub(between, before), mlp: sub(after, between), after }
  const values = await runOnce({ outputs, engine: model.engine })
  const start = (ids.length - 1) * model.config.hiddenSize
  const number = (name: keyof typeof outputs, channel: number) => values[name][start + channel]!.toPrecision(5)
  const rows = Array.from({ length: CHANNELS_SHOWN }, (_, channel) => {
    const cells = (['before', 'attention', 'mlp', 'after'] as const).map(name => number(name, channel))
    return [String(channel), cells[0]!, '+', cells[1]!, '+', cells[2]!, '=', cells[3]!]
  })
  const unchanged = values.before.every((x, i) => x === values.after[i])
  const pictures = await Promise.all(
    written.map(async name => {
      const variable = model.parameter(pathIn(added, name))
      return matrixPicture(shortName(name), await valuesOf(variable), variable.shape)
    }),
  )
  const last = JSON.stringify(subject.tokenizer.decode(ids.slice(-1)))
  return {
    number: 3,
    name: 'zero',
    title: `x + 0 + 0 = x in block ${added}`,
    parts: [
      {
        kind: 'text',
        text: `Two matrices of a block write to the residual stream: o_proj, the output of attention, and down_proj, the output of the MLP. When a block is added both are zero.`,
      },
      { kind: 'matrices', pictures },
      {
        kind: 'text',
        text: `${unchanged ? 'So the block adds nothing.' : 'This block has been trained since, so it adds something.'} The first channels of the stream at the last token, ${last}, with its gate at 1:`,
      },
      { kind: 'table', header: ['channel', 'x', '', 'attention', '', 'MLP', '', 'after the block'], rows },
      {
        kind: 'text',
        text: unchanged
          ? `All ${values.before.length} numbers of the stream leave the block as they entered it.`
          : 'What it adds is what it has learned.',
      },
    ],
  }
}
