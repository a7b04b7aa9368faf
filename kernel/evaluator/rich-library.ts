import type { Figure, HostArray, LayerMap, Lesson, Tensor } from '../../src/index.js'
import type { MimeBundle, TextLook } from './types.js'

type Library = typeof import('../../src/index.js')

/** Values larger than this are described, not computed. */
const ELEMENTS_SHOWN = 1 << 22

/**
 * Values of our own library; undefined for anything else. They are known by their shape, and the library is loaded only
 * when one comes, so that a kernel that does not use it starts without it.
 */
export function describeLibraryValue(value: object, look: TextLook): Promise<MimeBundle> | undefined {
  if (isTensor(value)) return library().then(lab => tensorBundle(lab, value))
  if (isFigure(value)) return library().then(lab => figureBundle(lab, value, look))
  if (isLesson(value)) return library().then(lab => lessonBundle(lab, value, look))
  if (isLayerMap(value)) return library().then(lab => layerMapBundle(lab, value))
  return undefined
}

const library = (): Promise<Library> => import('../../src/index.js')

function isTensor(value: object): value is Tensor {
  const { node, shape, dtype } = value as Partial<Tensor>
  return (
    value.constructor?.name === 'Tensor' &&
    typeof node === 'object' &&
    Array.isArray(shape) &&
    typeof dtype === 'string'
  )
}

function isFigure(value: object): value is Figure {
  const { title, caption, panels, columns } = value as Partial<Figure>
  return (
    typeof title === 'string' && typeof caption === 'string' && typeof columns === 'number' && Array.isArray(panels)
  )
}

function isLayerMap(value: object): value is LayerMap {
  const { rows, totalParameters, otherParameters } = value as Partial<LayerMap>
  return Array.isArray(rows) && typeof totalParameters === 'number' && typeof otherParameters === 'number'
}

function isLesson(value: object): value is Lesson {
  const { number, title, parts } = value as Partial<Lesson>
  return typeof number === 'number' && typeof title === 'string' && Array.isArray(parts)
}

async function tensorBundle(lab: Library, tensor: Tensor): Promise<MimeBundle> {
  const size = tensor.shape.reduce((product, length) => product * length, 1)
  if (size > ELEMENTS_SHOWN) return { 'text/plain': `${tensor} (${size} elements; take a part of it to see values)` }
  let data: HostArray
  try {
    data = await tensor.data()
  } catch (error) {
    // A tensor that depends on inputs without values is a legitimate thing to look at.
    return { 'text/plain': `${tensor}\nnot computed: ${lab.messageOf(error)}` }
  }
  const text = lab.formatTensor(data, tensor.shape, tensor.dtype)
  const isStorage = tensor.dtype === 'bf16' || tensor.dtype === 'f16'
  const picture = lab.heatMap(isStorage ? await tensor.cast('f32').data() : data, tensor.shape)
  if (picture === null) return { 'text/plain': text }
  const html = `<div style="display:flex;gap:1em;align-items:flex-start">${picture}<pre style="margin:0">${escapeHtml(text)}</pre></div>`
  return { 'text/html': html, 'image/svg+xml': picture, 'text/plain': text }
}

function figureBundle(lab: Library, figure: Figure, look: TextLook): MimeBundle {
  const text = lab.renderTerminal(figure, look).join('\n')
  return { 'image/svg+xml': lab.renderSvg(figure), 'text/plain': text }
}

function lessonBundle(lab: Library, lesson: Lesson, { width, color }: TextLook): MimeBundle {
  const text = lab.lessonText(lesson, { width, color }).join('\n')
  return { 'image/svg+xml': lab.lessonSvg(lesson), 'text/plain': text }
}

function layerMapBundle(lab: Library, map: LayerMap): MimeBundle {
  const blocks = map.rows.map(row => ({
    layer: row.layer,
    source: row.sourceLayer,
    added: row.isNew,
    trainable: row.isTrainable,
    parameters: row.parameters,
  }))
  const { totalParameters, trainableParameters } = map
  const figure = lab.layerMapFigure({ blocks, totalParameters, trainableParameters })
  return { 'image/svg+xml': lab.renderSvg(figure), 'text/plain': lab.layerMapText(map) }
}

/** Text as HTML that shows it. */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
