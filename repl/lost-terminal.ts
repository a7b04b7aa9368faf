/** The terminal may go away (its window is closed, the connection is cut) while something runs that has to be kept. */

const streams = () => [process.stdin, process.stdout, process.stderr].filter(stream => stream.isTTY)

/**
 * Lets what is written to a terminal that is gone fail in silence, instead of ending the process before a run has written its
 * checkpoint; the first failure is told. Returns the function that undoes it, which does nothing when the terminal is gone.
 */
export function surviveLostTerminal(onLost: () => void = () => {}): () => void {
  let isLost = false
  const onError = () => {
    if (isLost) return
    isLost = true
    onLost()
  }
  for (const stream of streams()) stream.on('error', onError)
  return () => {
    if (!isLost) for (const stream of streams()) stream.off('error', onError)
  }
}
