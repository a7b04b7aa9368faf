/** Lines of the screen as an Ink component. */
import { Box, Text } from 'ink'

/** Lines that already fit the width. An empty one is a blank, because Ink gives no height to nothing. */
export function App({ lines }: { lines: readonly string[] }) {
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
