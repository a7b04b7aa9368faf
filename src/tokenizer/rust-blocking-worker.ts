import { workerData } from 'node:worker_threads'
import { messageOf } from '../util/errors.js'
import type { BlockingAnswer, BlockingRequest, BlockingWorkerData } from './rust-blocking.js'
import { loadNative } from './rust-engine.js'

const { port, signal, json } = workerData as BlockingWorkerData

const opened = loadNative().then(native => native.Tokenizer.fromString(json))

port.on('message', async ({ number, text, addSpecialTokens }: BlockingRequest) => {
  let answer: BlockingAnswer
  try {
    const encoding = await (await opened).encode(text, null, { addSpecialTokens })
    answer = { number, ids: Int32Array.from(encoding.getIds()) }
  } catch (error) {
    answer = { number, error: messageOf(error) }
  }
  port.postMessage(answer, 'ids' in answer ? [answer.ids.buffer as ArrayBuffer] : [])
  Atomics.store(signal, 0, 1)
  Atomics.notify(signal, 0)
})
