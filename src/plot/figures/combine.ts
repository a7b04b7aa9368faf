import type { Figure } from '../figure.js'

/** Several figures as the panels of one; a figure's title becomes the title of its panels that have none, captions are joined. */
export function combineFigures(title: string, figures: Figure[], columns = 2): Figure {
  return {
    title,
    caption: figures
      .map(figure => figure.caption)
      .filter(caption => caption !== '')
      .join(' '),
    columns,
    panels: figures.flatMap(figure => figure.panels.map(panel => ({ ...panel, title: panel.title || figure.title }))),
  }
}
