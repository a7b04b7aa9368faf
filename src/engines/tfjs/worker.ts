/** Entry of the engine's worker thread: kernels block this thread, so that the main one stays alive. */
import { parentPort, workerData } from 'node:worker_threads'
import { hostEngine } from '../worker-host.js'
import { startTfjs, type TfjsDevice } from './start.js'

void hostEngine(parentPort!, () => startTfjs(workerData as TfjsDevice))
