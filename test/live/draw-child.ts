/**
 * Draws the loss of the runs in a directory as the server does it, in a process of its own, because the calls between modules cost more
 * within a test: `draw-child.ts DIR '{"clipOutliers": true}' ...`. Prints the median of its own time for each view, ms, as JSON.
 */
import { FigureDrawer } from '../../src/live/draw.js'
import { parseView } from '../../src/live/protocol.js'
import { RunFolder } from '../../src/live/run-folder.js'
import { FakeRun } from './support.js'

const [dir, ...views] = process.argv.slice(2) as [string, ...string[]]
const folder = new RunFolder([dir])
folder.scan()
await folder.update()
// one that grows, so that each drawing is a new one
const growing = new FakeRun(dir, 'growing')

async function medianMs(view: string): Promise<number> {
  const times: number[] = []
  for (let i = 0; i < 20; i++) {
    growing.train(1)
    folder.scan()
    await folder.update()
    const drawer = new FigureDrawer()
    // its own time, not that of whatever else goes on on the machine
    const before = process.cpuUsage()
    drawer.draw('loss', folder.runs, parseView(view))
    const { user, system } = process.cpuUsage(before)
    times.push((user + system) / 1000)
  }
  // the first drawings compile
  const warm = times.slice(5).sort((a, b) => a - b)
  return warm[Math.floor(warm.length / 2)]!
}

const medians: number[] = []
for (const view of views) medians.push(await medianMs(view))
process.stdout.write(JSON.stringify(medians))
