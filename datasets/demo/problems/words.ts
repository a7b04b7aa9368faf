/** A person of a story with the pronouns its sentences need. */
export interface Person {
  name: string
  they: 'she' | 'he'
  their: 'her' | 'his'
}

const women =
  'Ada Alma Beatrice Clara Dora Edith Emily Flora Greta Hannah Ida Irene Josephine Katherine Laura Lucy Mabel Nora Olive Rosa Ruth Sofia Vera Winifred'
const men =
  'Albert Anton Bruno Carl David Edwin Felix George Henry Isaac Jacob Leo Martin Oscar Paul Peter Ralph Samuel Simon Theodore Victor Walter'

export const people: readonly Person[] = [
  ...women.split(' ').map((name): Person => ({ name, they: 'she', their: 'her' })),
  ...men.split(' ').map((name): Person => ({ name, they: 'he', their: 'his' })),
]

/** Things sold by the piece: singular, plural, lowest and highest price in cents. */
export const goods: readonly { one: string; many: string; low: number; high: number }[] = [
  { one: 'notebook', many: 'notebooks', low: 120, high: 480 },
  { one: 'pencil', many: 'pencils', low: 15, high: 90 },
  { one: 'loaf of bread', many: 'loaves of bread', low: 180, high: 420 },
  { one: 'jar of honey', many: 'jars of honey', low: 350, high: 900 },
  { one: 'bag of apples', many: 'bags of apples', low: 210, high: 540 },
  { one: 'ball of wool', many: 'balls of wool', low: 260, high: 780 },
  { one: 'candle', many: 'candles', low: 60, high: 240 },
  { one: 'postcard', many: 'postcards', low: 40, high: 150 },
  { one: 'lemon', many: 'lemons', low: 25, high: 85 },
  { one: 'tulip bulb', many: 'tulip bulbs', low: 35, high: 160 },
  { one: 'paintbrush', many: 'paintbrushes', low: 150, high: 650 },
  { one: 'box of tea', many: 'boxes of tea', low: 240, high: 620 },
  { one: 'lamp', many: 'lamps', low: 1450, high: 4800 },
  { one: 'wooden chair', many: 'wooden chairs', low: 1900, high: 5200 },
]

/** Countable things that are grown, made or gathered: plural, and the verb that goes with them. */
export const harvests: readonly { many: string; verb: string; past: string }[] = [
  { many: 'pears', verb: 'picks', past: 'picked' },
  { many: 'walnuts', verb: 'gathers', past: 'gathered' },
  { many: 'bricks', verb: 'lays', past: 'laid' },
  { many: 'letters', verb: 'sorts', past: 'sorted' },
  { many: 'shells', verb: 'collects', past: 'collected' },
  { many: 'buttons', verb: 'sews', past: 'sewed' },
  { many: 'pages', verb: 'copies', past: 'copied' },
  { many: 'seedlings', verb: 'plants', past: 'planted' },
  { many: 'envelopes', verb: 'fills', past: 'filled' },
  { many: 'bottles', verb: 'washes', past: 'washed' },
]

/** Containers for sharing and packing: singular and plural. */
export const containers: readonly { one: string; many: string }[] = [
  { one: 'box', many: 'boxes' },
  { one: 'basket', many: 'baskets' },
  { one: 'crate', many: 'crates' },
  { one: 'tray', many: 'trays' },
  { one: 'sack', many: 'sacks' },
  { one: 'shelf', many: 'shelves' },
]

export const towns: readonly string[] =
  'Ashford Brindle Coldwater Dunmore Eastley Fairhaven Greystone Holloway Kelby Larkfield Millbrook Norwood Oakridge Penrith Redcliff Selby Thornton Westmere'.split(
    ' ',
  )
