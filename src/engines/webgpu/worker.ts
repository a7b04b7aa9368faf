/** Entry of the engine's worker thread: runs block this thread, so that the main one stays alive. */
import { parentPort, workerData } from 'node:worker_threads'
import { hostEngine } from '../worker-host.js'
import { WebGpuEngine } from './engine.js'
import type { WebGpuWorkerData } from './start.js'

const options = workerData as WebGpuWorkerData

void hostEngine(parentPort!, async () => new WebGpuEngine(options))
