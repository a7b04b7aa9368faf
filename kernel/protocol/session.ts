/** The side of the kernel that runs the user's code: it answers the requests that the server thread passes on. */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CellError, CellEvaluator, CellOutput, CellResult, MimeBundle } from './cell-evaluator.js'
import { CellText } from './cell-text.js'
import { Comms } from './comms.js'
import type { ExecutionOutcome, MainRequest, OrderedToServer, ToMain } from './link.js'
import { toCodePoints, toUtf16 } from './offsets.js'
import { copyBuffers, objectToJson, toJson } from './outgoing.js'
import { type PagerQuestion, parsePagerQuestion } from './pager.js'
import type { TextRingWriter } from './text-ring.js'
import type { Header, Json } from './wire.js'

interface Reply {
  msgType: string | null
  content: Json
  outcome?: ExecutionOutcome
}

interface Input {
  requestId: number
  prompt: string
  password: boolean
  resolve: (value: string) => void
  reject: (error: Error) => void
}

export class KernelSession {
  readonly comms: Comms
  readonly #post: (message: OrderedToServer) => void
  readonly #ring: TextRingWriter
  /** The request that the running code belongs to, also after it has awaited something. */
  readonly #context = new AsyncLocalStorage<Header>()
  #lastHeader: Header | null = null
  #evaluator: CellEvaluator | null = null
  readonly #waiting: MainRequest[] = []
  #count = 0
  /** Requests that are being served, and when the last one was done. */
  #serving = 0
  #servedAt = performance.now()
  readonly #inputs: Input[] = []
  /** The execution that goes on: the front end takes no question of another one. */
  #executing: Pick<MainRequest, 'id' | 'header'> | null = null

  constructor(post: (message: OrderedToServer) => void, ring: TextRingWriter) {
    this.#ring = ring
    this.#post = message => {
      // everything goes after the text that was written before it
      ring.barrier()
      post(message)
    }
    this.comms = new Comms({
      publish: (msgType, content, options) => this.broadcast(msgType, content, options),
      bind: handler => this.#bind(handler),
    })
  }

  /** A handler in the context of the cell that registers it, except that what it sends answers the request that calls it. */
  #bind<Args extends unknown[], Result>(handler: (...args: Args) => Result): (...args: Args) => Result {
    const ofCell = AsyncResource.bind((caller: Header, args: Args) => this.#context.run(caller, () => handler(...args)))
    return (...args) => ofCell(this.#context.getStore()!, args)
  }

  /** Begins to answer; requests that came before are answered first. */
  attach(evaluator: CellEvaluator): void {
    this.#evaluator = evaluator
    this.#post({ type: 'ready', interruptBuffer: evaluator.interruptBuffer })
    // requests of the time in which this thread was busy starting are still to come in
    this.#servedAt = performance.now()
    for (const request of this.#waiting.splice(0)) void this.#serve(request, evaluator)
  }

  /** Takes what the server thread says. */
  onServer(message: ToMain): void {
    if (message.type === 'request') {
      if (this.#evaluator) void this.#serve(message.request, this.#evaluator)
      else this.#waiting.push(message.request)
    } else if (message.type === 'input') {
      this.#inputs.shift()?.resolve(message.value)
      this.#askNext()
    } else if (message.type === 'interrupt') this.interrupt()
  }

  /** Stops the running cell, and the questions that it waits for. */
  interrupt(): void {
    this.#rejectInputs(() => true, 'interrupted')
    this.#evaluator?.interrupt()
  }

  /** Resolves when for some time no request has come and none is being served. */
  async idle(forMs: number): Promise<void> {
    do await sleep(forMs / 4, undefined, { ref: false })
    while (this.#serving > 0 || performance.now() - this.#servedAt < forMs)
  }

  /**
   * Sends a message of any type to the front ends, under the cell that calls.
   * @throws TypeError when `content` or `metadata` is no object that JSON can hold, or `buffers` no list of bytes
   */
  broadcast(
    msgType: string,
    content: Json,
    { metadata = {}, buffers = [] }: { metadata?: Json; buffers?: Uint8Array[] },
  ) {
    this.#publish(this.#context.getStore() ?? this.#lastHeader, { msgType, content, metadata, buffers })
  }

  /** Text on the standard error of the cell that calls, or of the last one. */
  writeError(text: string): void {
    this.#ring.write({ parent: this.#context.getStore() ?? this.#lastHeader, name: 'stderr' }, text)
  }

  #publish(
    parent: Header | null,
    {
      msgType,
      content,
      metadata = {},
      buffers = [],
    }: { msgType: string; content: Json; metadata?: Json; buffers?: Uint8Array[] },
  ): void {
    // Front ends find what is updated by its display_id; nbclient looks only at messages of the cell that it executes.
    const isUpdate = msgType === 'update_display_data'
    this.#post({
      type: 'publish',
      parent: isUpdate ? (this.#executing?.header ?? parent) : parent,
      msgType: String(msgType),
      content: objectToJson(content, 'content'),
      metadata: JSON.parse(objectToJson(metadata, 'metadata')) as Json,
      buffers: copyBuffers(buffers),
    })
  }

  /** Answers a request; whatever goes wrong, it gets its reply. */
  async #serve(request: MainRequest, evaluator: CellEvaluator): Promise<void> {
    const { id, header } = request
    this.#serving++
    let reply: Omit<Extract<OrderedToServer, { type: 'reply' }>, 'type' | 'id'>
    try {
      const { content, ...rest } = await this.#context.run(header, () => this.#answer(request, evaluator))
      reply = { ...rest, content: toJson(content) }
    } catch (error) {
      const content = { status: 'error', ...errorOf(error) }
      const msgType =
        header.msg_type.startsWith('comm_') && header.msg_type !== 'comm_info_request' ? null : replyType(header)
      if (msgType === null) this.writeError(`${content.traceback.join('\n')}\n`)
      reply = { msgType, content: toJson(content), outcome: { abortQueue: true, stored: null } }
    }
    this.#post({ type: 'reply', id, ...reply })
    this.#serving--
    this.#servedAt = performance.now()
  }

  async #answer(request: MainRequest, evaluator: CellEvaluator): Promise<Reply> {
    const { header, content, metadata, buffers } = request
    const msgType = replyType(header)
    const code = textOf(content, 'code')
    switch (header.msg_type) {
      case 'execute_request':
        return this.#execute(request, evaluator)
      case 'complete_request':
        return { msgType, content: complete(evaluator, code, cursorOf(content, code)) }
      case 'inspect_request':
        return {
          msgType,
          content: inspect(evaluator, code, cursorOf(content, code), content['detail_level'] === 1 ? 1 : 0),
        }
      case 'is_complete_request':
        return {
          msgType,
          content: parsePagerQuestion(code) ? { status: 'complete' } : { ...evaluator.isComplete(code) },
        }
      case 'comm_info_request': {
        const target = content['target_name']
        return { msgType, content: this.comms.info(typeof target === 'string' && target !== '' ? target : undefined) }
      }
      default:
        await this.comms.receive(header.msg_type, content, { metadata, buffers })
        return { msgType: null, content: {} }
    }
  }

  async #execute(request: MainRequest, evaluator: CellEvaluator): Promise<Reply> {
    const { header, content } = request
    const code = textOf(content, 'code')
    const silent = content['silent'] === true
    const storeHistory = !silent && content['store_history'] !== false
    this.#lastHeader = header
    if (storeHistory) this.#count++
    // The protocol says of `silent` that it will not "broadcast output on the IOPUB channel". As in ipykernel, that is the input and the
    // result: extensions of front ends run silent cells to read what these print, and widgets to send messages.
    if (!silent)
      this.#publish(header, { msgType: 'execute_input', content: { code, execution_count: Math.max(this.#count, 1) } })
    const question = parsePagerQuestion(code)
    const text = new CellText(header, this.#ring)
    const onOutput = (output: CellOutput) => this.#output(header, { output, text })
    this.#executing = request
    const ran = await evaluator.run(question ? '' : code, {
      silent,
      storeHistory,
      isUnbuffered: true,
      onOutput,
      input: (prompt, password) => this.#input(request, prompt, password),
    })
    const result = sendable(ran)
    this.#executing = null
    text.end()
    this.#rejectInputs(input => input.requestId === request.id, 'the cell that asked has ended')
    if (result.status !== 'aborted' && storeHistory) this.#count = result.count
    const reply = await this.#executeReply(request, { evaluator, result, question, onOutput })
    const abortQueue = result.status !== 'ok' && !silent && content['stop_on_error'] !== false
    const output = result.status === 'ok' ? plainText(result.value) : null
    const stored = storeHistory ? { line: this.#count, source: code, output } : null
    return { msgType: 'execute_reply', content: reply, outcome: { abortQueue, stored } }
  }

  /** Publishes how a cell ended, and says the same in the reply. */
  async #executeReply(
    { header, content }: MainRequest,
    {
      evaluator,
      result,
      question,
      onOutput,
    }: {
      evaluator: CellEvaluator
      result: CellResult
      question: PagerQuestion | null
      onOutput: (output: CellOutput) => void
    },
  ): Promise<Json> {
    const count = { execution_count: Math.max(this.#count, 1) }
    if (result.status === 'aborted') return { status: 'aborted', ...count }
    if (result.status === 'error') {
      const { ename, evalue, traceback } = result.error
      const error = { ename, evalue, traceback }
      this.#publish(header, { msgType: 'error', content: error })
      return { status: 'error', ...error, ...count, user_expressions: {}, payload: [] }
    }
    if (result.value && content['silent'] !== true)
      this.#publish(header, { msgType: 'execute_result', content: { data: result.value, metadata: {}, ...count } })
    const payload = question ? [pageOf(evaluator, question)] : []
    return {
      status: 'ok',
      ...count,
      user_expressions: await userExpressions(content, evaluator, onOutput),
      payload,
    }
  }

  #output(parent: Header, { output, text }: { output: CellOutput; text: CellText }): void {
    if (output.kind === 'stream') text.write(output.name, output.text)
    else if (output.kind === 'clear') this.#publish(parent, { msgType: 'clear_output', content: { wait: output.wait } })
    else {
      const { data, metadata, displayId, isUpdate } = output
      const transient = displayId === undefined ? {} : { display_id: displayId }
      const msgType = isUpdate ? 'update_display_data' : 'display_data'
      this.#publish(parent, { msgType, content: { data, metadata, transient } })
    }
  }

  #input({ id, content }: MainRequest, prompt: string, password: boolean): Promise<string> {
    if (content['allow_stdin'] === false)
      return Promise.reject(new Error('the front end that runs this cell cannot ask for input (allow_stdin is false)'))
    if (this.#executing?.id !== id) return Promise.reject(new Error('input: the cell that asked has ended'))
    return new Promise((resolve, reject) => {
      // the cell may have passed anything; what cannot cross to the other thread must not be tried
      this.#inputs.push({ requestId: id, prompt: String(prompt), password: Boolean(password), resolve, reject })
      if (this.#inputs.length === 1) this.#askNext()
    })
  }

  /** Front ends show one question at a time. */
  #askNext(): void {
    const next = this.#inputs[0]
    if (next) this.#post({ type: 'input', id: next.requestId, prompt: next.prompt, password: next.password })
  }

  #rejectInputs(which: (input: Input) => boolean, reason: string): void {
    const rejected = this.#inputs.filter(which)
    if (rejected.length === 0) return
    const wasAsked = which(this.#inputs[0]!)
    this.#inputs.splice(0, this.#inputs.length, ...this.#inputs.filter(input => !which(input)))
    for (const { reject } of rejected) reject(new Error(`input: ${reason}`))
    if (!wasAsked) return
    this.#post({ type: 'input-cancelled' })
    this.#askNext()
  }
}

/** How a cell ended for the front end: a result that JSON cannot hold makes it an error. */
function sendable(result: CellResult): CellResult {
  if (result.status !== 'ok' || !result.value) return result
  try {
    objectToJson(result.value, 'the result')
    return result
  } catch (error) {
    return { status: 'error', error: errorOf(error), count: result.count }
  }
}

/** Values of expressions that the front end wants to know beside the cell's own. */
async function userExpressions(
  { user_expressions: wanted }: Json,
  evaluator: CellEvaluator,
  onOutput: (output: CellOutput) => void,
): Promise<Json> {
  const values: Json = {}
  if (typeof wanted !== 'object' || wanted === null) return values
  for (const [name, expression] of Object.entries(wanted)) {
    const result = sendable(
      await evaluator.run(String(expression), { storeHistory: false, isUnbuffered: true, onOutput }),
    )
    if (result.status === 'ok') values[name] = { status: 'ok', data: result.value ?? {}, metadata: {} }
    else if (result.status === 'error') values[name] = { status: 'error', ...result.error }
    else values[name] = { status: 'aborted' }
  }
  return values
}

function complete(evaluator: CellEvaluator, code: string, cursor: number): Json {
  const { matches, start, end, types } = evaluator.complete(code, cursor)
  const at = (index: number) => toCodePoints(code, index)
  const typed = types?.map(type => ({ ...type, start: at(type.start), end: at(type.end) }))
  const metadata = typed ? { _jupyter_types_experimental: typed } : {}
  return { status: 'ok', matches, cursor_start: at(start), cursor_end: at(end), metadata }
}

function inspect(evaluator: CellEvaluator, code: string, cursor: number, detail: 0 | 1): Json {
  const data = evaluator.inspect(code, cursor, detail)
  return { status: 'ok', found: data !== null, data: data ?? {}, metadata: {} }
}

/** What a front end shows in its pager. */
function pageOf(evaluator: CellEvaluator, { expression, detail }: PagerQuestion): Json {
  const data = evaluator.inspect(expression, expression.length, detail)
  return { source: 'page', data: data ?? { 'text/plain': `"${expression}" is not known here.` }, start: 0 }
}

/** The reply's type: `complete_request` -> `complete_reply`. */
function replyType({ msg_type }: Header): string {
  return msg_type.replace(/_request$/, '_reply')
}

function textOf(content: Json, field: string): string {
  const value = content[field]
  return typeof value === 'string' ? value : ''
}

function cursorOf({ cursor_pos: cursor }: Json, code: string): number {
  return typeof cursor === 'number' ? toUtf16(code, cursor) : code.length
}

function plainText(value: MimeBundle | undefined): string | null {
  const text = value?.['text/plain']
  return typeof text === 'string' ? text : null
}

function errorOf(error: unknown): CellError {
  if (!(error instanceof Error)) return { ename: 'Error', evalue: String(error), traceback: [String(error)] }
  return { ename: error.name, evalue: error.message, traceback: (error.stack ?? String(error)).split('\n') }
}
