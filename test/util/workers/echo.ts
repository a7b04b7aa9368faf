import { parentPort, workerData } from 'node:worker_threads'
import { messageOf } from '../../../src/util/errors.js'

/** Answers with what it was given: a worker of TypeScript that imports TypeScript by a name that ends in `.js`. */
parentPort!.postMessage({ workerData, message: messageOf(new Error('from the worker')) })
