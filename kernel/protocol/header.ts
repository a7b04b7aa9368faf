import { randomUUID } from 'node:crypto'
import { userInfo } from 'node:os'
import type { Header } from './wire.js'

/** Version of the messaging protocol that the kernel speaks. */
export const protocolVersion = '5.5'

function userName(): string {
  try {
    return userInfo().username
  } catch {
    // a container may run under an id that has no name
    return 'kernel'
  }
}

/** Makes the headers of a session's messages, each with its own id and the time. */
export function headerMaker(): (msgType: string) => Header {
  const session = randomUUID()
  const username = userName()
  let count = 0
  return msgType => ({
    msg_id: `${session}_${process.pid}_${count++}`,
    session,
    username,
    date: new Date().toISOString(),
    msg_type: msgType,
    version: protocolVersion,
  })
}
