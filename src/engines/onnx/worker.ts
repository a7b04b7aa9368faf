/** Entry of the engine's worker thread: runs block this thread, so that the main one stays alive. */
import { parentPort, workerData } from 'node:worker_threads'
import { hostEngine } from '../worker-host.js'
import type { OnnxWorkerData } from './engine.js'
import { OrtApi } from './ort-api.js'
import { OnnxSession } from './session.js'

const { threads, profilePrefix } = workerData as OnnxWorkerData

void hostEngine(parentPort!, async () => new OnnxSession(new OrtApi(threads), profilePrefix))
