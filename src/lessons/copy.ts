import type { Lesson, MatrixPicture } from './lesson.js'
import { matrixPicture } from './lesson.js'
import { blockParameters, firstPair, type LessonSubject, pathIn, roundingOf, valuesOf } from './subject.js'

/** Lesson 2: the new block is a twin of the old one below it. */
export async function copy(subject: LessonSubject): Promise<Lesson> {
  const pair = firstPair(subject)
  const pictures: MatrixPicture[] = []
  const rows: string[][] = []
  for (const name of blockParameters(subject)) {
    const [source, added] = [
      subject.model.parameter(pathIn(pair.source, name)),
      subject.model.parameter(pathIn(pair.added, name)),
    ]
    const [old, twin] = [await valuesOf(source), await valuesOf(added)]
    let different = 0
    for (let i = 0; i < old.length; i++) if (old[i] !== twin[i]) different++
    const rounding = roundingOf(source)
    const remark = different === 0 ? 'equal, bit for bit' : rounding ? `block ${pair.source} has it in ${rounding}` : ''
    rows.push([name, `[${source.shape.join(', ')}]`, String(different), remark])
    if (source.shape.length < 2) continue
    pictures.push(matrixPicture(`${pair.source} ${shortName(name)}`, old, source.shape))
    pictures.push(matrixPicture(`${pair.added} ${shortName(name)}`, twin, added.shape))
  }
  return {
    number: 2,
    name: 'copy',
    title: `Block ${pair.added} is a copy of block ${pair.source}`,
    parts: [
      {
        kind: 'text',
        text: `Every matrix beside its twin. Where one of block ${pair.added} is blank it is zero: that is the next step. Where values differ otherwise, the block has been trained since, or its twin is stored in fewer bits.`,
      },
      { kind: 'matrices', pictures },
      { kind: 'table', header: ['parameter', 'shape', 'values that differ', ''], rows },
    ],
  }
}

/** `self_attn.q_proj.weight` -> `q_proj`, `self_attn.q_proj.bias` -> `q_proj.bias`. */
export function shortName(name: string): string {
  return name.replace(/^(self_attn|mlp)\./, '').replace(/\.weight$/, '')
}
