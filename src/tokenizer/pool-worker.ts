import { parentPort, workerData } from 'node:worker_threads'
import { LabError, messageOf } from '../util/errors.js'
import type { PoolReply, PoolRequest } from './pool.js'
import { openTokenizer } from './tokenizer.js'

const { path, engine } = workerData as { path: string; engine: 'auto' | 'rust' | 'js' }

function send(reply: PoolReply): void {
  parentPort!.postMessage(reply, reply.kind === 'ids' ? reply.ids.map(ids => ids.buffer as ArrayBuffer) : [])
}

function sendError(job: number | null, error: unknown): void {
  send({
    kind: 'error',
    job,
    code: error instanceof LabError ? error.code : 'TOKENIZER_POOL',
    message: messageOf(error),
  })
}

async function serve(): Promise<void> {
  const tokenizer = await openTokenizer(path, { engine })
  parentPort!.on('message', async ({ job, texts, addSpecialTokens }: PoolRequest) => {
    try {
      send({ kind: 'ids', job, ids: await tokenizer.encodeBatch(texts, { addSpecialTokens }) })
    } catch (error) {
      sendError(job, error)
    }
  })
  send({ kind: 'ready', engine: tokenizer.engine })
}

serve().catch((error: unknown) => sendError(null, error))
