/** The screen as Ink components. */
import { Box, Text } from 'ink'
import { framePartsOf, type View } from './view.js'

/** Lines that already fit the width. An empty one is a blank, because Ink gives no height to nothing. */
function Lines({ lines }: { lines: readonly string[] }) {
  return (
    <Box flexDirection="column">
      {lines.map((line, row) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a line of the screen is its row
        <Text key={row} wrap="truncate-end">
          {line === '' ? ' ' : line}
        </Text>
      ))}
    </Box>
  )
}

/** The live part of the screen, from the run at the top to the status line. */
export function App({ view }: { view: View }) {
  const { panel, steps, unfinished, prompt, menu, about, status } = framePartsOf(view)
  return (
    <Box flexDirection="column">
      <Lines lines={panel} />
      <Lines lines={steps} />
      <Lines lines={unfinished} />
      <Lines lines={prompt.lines} />
      <Lines lines={menu} />
      <Lines lines={about} />
      <Lines lines={status} />
    </Box>
  )
}
