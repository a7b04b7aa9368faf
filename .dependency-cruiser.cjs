/** The layers of src/: an import may only point to the same folder or to one listed before it. */
const layers = {
  util: [],
  tensor: ['util'],
  engines: ['util', 'tensor'],
  tokenizer: ['util'],
  model: ['util', 'tensor', 'engines'],
  checkpoint: ['util', 'tensor', 'model'],
  expansion: ['util', 'tensor', 'model', 'checkpoint'],
  freeze: ['util', 'model', 'expansion'],
  data: ['util', 'tokenizer', 'checkpoint'],
  train: ['util', 'tensor', 'engines', 'model', 'checkpoint', 'expansion', 'freeze', 'tokenizer', 'data'],
  forgetting: [
    'util',
    'plot',
    'tensor',
    'engines',
    'model',
    'checkpoint',
    'expansion',
    'freeze',
    'tokenizer',
    'data',
    'train',
  ],
  plot: ['util'],
}
layers.methods = [...layers.forgetting, 'forgetting']
layers.live = [...layers.forgetting, 'forgetting']
layers.lessons = layers.methods
layers.lab = [...layers.methods, 'methods', 'plot', 'live', 'lessons']

module.exports = {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true, dependencyTypesNot: ['type-only'] } },
    ...Object.entries(layers).map(([folder, allowed]) => ({
      name: `layer-${folder}`,
      severity: 'error',
      from: { path: `^src/${folder}/` },
      to: { path: '^(src|kernel|repl)/', pathNot: `^src/(${[folder, ...allowed].join('|')})/` },
    })),
    {
      name: 'src-knows-no-front',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(kernel|repl|datasets)/' },
    },
    {
      name: 'fronts-use-the-public-api',
      severity: 'error',
      from: { path: '^(kernel|repl)/' },
      // what starts before the library is loaded: the kernel's server thread, whose sockets answer at once, and the prompt
      to: { path: '^src/', pathNot: '^src/([^/]+|util/(worker|package))\\.ts$' },
    },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      extensions: ['.ts', '.tsx', '.js'],
      conditionNames: ['import', 'node', 'default'],
    },
  },
}
