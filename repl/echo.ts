/** Whether a terminal shows what is typed while it edits the lines itself; Node can only take both from it, in raw mode. */
import { spawnSync } from 'node:child_process'

/** Tells the terminal on stdin. False when it cannot be told: there is no `stty`, as on Windows. */
export function setEcho(isOn: boolean): boolean {
  return spawnSync('stty', [isOn ? 'echo' : '-echo'], { stdio: ['inherit', 'ignore', 'ignore'] }).status === 0
}
