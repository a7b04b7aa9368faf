import { workerData } from 'node:worker_threads'
import { messageOf } from '../util/errors.js'
import type { BlockingAnswer, BlockingWorkerData } from './rust-blocking.js'
import { loadNative } from './rust-engine.js'

const { port, signal, json } = workerData as BlockingWorkerData

const opened = loadNative().then(native => native.Tokenizer.fromString(json))

port.on('message', async ({ text, addSpecialTokens }: { text: string; addSpecialTokens: boolean }) => {
  let answer: BlockingAnswer
  try {
    const encoding = await (await opened).encode(text, null, { addSpecialTokens })
    answer = { ids: Int32Array.from(encoding.getIds()) }
  } catch (error) {
    answer = { error: messageOf(error) }
  }
  port.postMessage(answer, 'ids' in answer ? [answer.ids.buffer as ArrayBuffer] : [])
  Atomics.store(signal, 0, 1)
  Atomics.notify(signal, 0)
})
