import { type FutureSource, TaskFuture } from '../tasks/future.js'
import type { LaterCall } from './later-call.js'
import type { TaskRecord } from './task-record.js'

/** The last call that writes a future. */
export class Writer {
  /** Calls that take what it makes and are not in the graph yet: the next writer must not come before them. */
  readonly readers = new Set<LaterCall>()

  constructor(readonly call: FutureSource<unknown>) {}

  readBy(call: FutureSource<unknown>): void {
    if (!isOutside(call) || call.record) return
    this.readers.add(call)
    const gone = (): boolean => this.readers.delete(call)
    call.entered.then(gone, gone)
  }
}

const isOutside = (call: FutureSource<unknown>): call is LaterCall => 'entered' in call

/** What a future gave, once the call that writes it is over: the graph knows which value that call makes of it. */
export class Version implements FutureSource<unknown> {
  seen = false
  readonly #before: readonly Promise<unknown>[]
  #promise: Promise<unknown> | undefined

  constructor(
    readonly future: PromiseLike<unknown>,
    readonly writer: Writer,
  ) {
    this.#before = Array.from(writer.readers, (reader) => reader.entered)
  }

  promise(): Promise<any> {
    this.seen = true
    this.#promise ??= this.#made()
    return this.#promise
  }

  async #made(): Promise<unknown> {
    await over(this.writer.call)
    await Promise.allSettled(this.#before)
    return sameOf(this.future)
  }

  told(): void {
    this.writer.call.promise().catch(() => {})
  }

  cancel(): void {}

  describe(): string {
    return this.writer.call.describe()
  }
}

/** Not by its promise: whose failure nobody awaits is the barrier's to tell. */
async function over(writer: FutureSource<unknown>): Promise<void> {
  const record = isOutside(writer) ? await writer.entered : (writer as TaskRecord)
  await record.whenSettled()
  if (record.isBad) throw record.error
}

/** The call that must be over before there is what a call was given, if that is a version and its writer is in the graph. */
export function writerBehind(value: unknown): TaskRecord | undefined {
  if (!(value instanceof TaskFuture && value.source instanceof Version)) return undefined
  const { call } = value.source.writer
  return isOutside(call) ? call.record : (call as TaskRecord)
}

/** What a future gives, each time as the same value: who awaits the future itself gets one of its own. */
export const sameOf = (value: PromiseLike<unknown>): PromiseLike<unknown> => (value instanceof TaskFuture ? value.source.promise() : value)
