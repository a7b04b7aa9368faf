import type { Lab, LabEvents } from '../../src/index.js'
import { progressText } from '../session/progress-text.js'

interface LabFollower {
  /** Something that the frame shows has changed. */
  onChange: () => void
  /** What the session is has changed: its model, device, ... */
  onState: () => void
  /** What a run says it is doing. */
  onPhase: (text: string) => void
  /** How far something is that takes a while. */
  onProgress: (text: string) => void
  onWarning: (text: string) => void
  /** A run has ended; the line says how. */
  onEnd: (line: string) => void
}

/** Tells what goes on in a lab. */
export function followLab(
  { events }: Lab,
  { onChange, onState, onPhase, onProgress, onWarning, onEnd }: LabFollower,
): void {
  const names: (keyof LabEvents)[] = ['record', 'state', 'run', 'status', 'progress']
  events.on('state', onState)
  for (const name of names) events.on(name, onChange)
  events.on('status', ({ message }) => onPhase(message))
  events.on('progress', progress => onProgress(progressText(progress)))
  events.on('warning', ({ message }) => onWarning(message))
  events.on('run', ({ run }) => {
    const tell = () => {
      onEnd(run.statusLine())
      onChange()
    }
    run.then(tell, tell)
  })
}
