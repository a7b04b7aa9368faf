/** The demo story: what `:demo` runs, and what it says about it. */

export interface StoryPart {
  note: string
  lines: readonly string[]
}

/** A small model learns code and arithmetic twice: in new blocks, then with every parameter. `names`: of the two runs. */
export function demoStory(names: { expansion: string; full: string }): readonly StoryPart[] {
  return [
    { note: '1  A small model that knows English', lines: [':load demo'] },
    { note: '2  Where three new blocks will go', lines: [':plan groups=3'] },
    { note: '3  Copy blocks, zero two matrices of each copy', lines: [':expand'] },
    { note: '4  Proof: still the same function, bit for bit', lines: [':verify The river ran'] },
    {
      note: '5  Train the new blocks on code and arithmetic, the base frozen',
      lines: [`:train name=${names.expansion}`, 'await lab.run'],
    },
    { note: '6  What was learned and what was forgotten', lines: [`:plot forgetting ${names.expansion}`] },
    {
      note: '7  For comparison: the base again, every parameter trained on the same data',
      lines: [':load demo', `:train name=${names.full}`, 'await lab.run'],
    },
    { note: '8  Both on the same axes', lines: [`:compare ${names.expansion} ${names.full}`] },
  ]
}
