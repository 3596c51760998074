import { inspect } from 'node:util'
import { v4 } from 'uuid'
import type { Ref, StreamItem, Streams } from '../backend.js'
import { type DecodeContext, decodeValue, type EncodeContext, encodeValue } from '../codec/values.js'
import { CorruptError, NotFoundError, ValidationError } from '../errors.js'
import { assertKnown } from '../known-options.js'
import { isStorageObject, StorageObject, stateOf } from '../objects/storage-object.js'
import { IS_STREAM, STREAM_CLASS } from '../unit/belongings.js'
import { currentUnit, unitIfOpen } from '../unit/context.js'
import type { UnitOfWork } from '../unit/unit-of-work.js'
import { waitLimit } from '../wait-limit.js'
import { noStreams } from './no-streams.js'

export interface ConsumeOptions {
  /** Each group gets every item once, in one of its consumers. Default: `'default'`. */
  readonly group?: string
  /** Name of this consumer within its group. Default: one of its own for each call. */
  readonly consumer?: string
  /** Items fetched at once: a consumer that dies leaves as many to the others after `leaseMs`. Default 64, fewer of items that are large. */
  readonly batch?: number
  /** How long an item may take before another consumer of the group gets it as well. Default: a minute. */
  readonly leaseMs?: number
  readonly signal?: AbortSignal
  /** How long the loop may take, in milliseconds, before it is ended with a TimeoutError. Default: as long as it does. */
  readonly timeoutMs?: number
}

const CONSUME_OPTIONS: readonly (keyof ConsumeOptions)[] = ['group', 'consumer', 'batch', 'leaseMs', 'signal', 'timeoutMs']
const BATCH = 64
/** Items are fetched without knowing how large they are: these few first, and then no more than have room in so many bytes. */
const FIRST_BATCH = 8
const BATCH_BYTES_MAX = 4 * 1024 * 1024
const BATCH_MAX = 10_000
const LEASE_MS = 60_000

/**
 * Items in the order in which they were appended, read by any number of groups of consumers, in any program, whoever starts first.
 * An item is a value, or a reference to an object that is persistent already.
 *
 * Appending is no part of a unit of work: it is visible at once, also from within a task or `transact`. There it is numbered by the
 * task, so that one that runs again appends nothing twice; the function of an `update` in the program appends each time it runs, so that
 * the last item says what was stored. Consuming is at least once: what a consumer had fetched and not finished when it died goes to another
 * of its group after `leaseMs`. Items stay until the stream is deleted.
 */
export class StorageStream<T = unknown> extends StorageObject {
  static readonly typeName: string = STREAM_CLASS

  /** For whoever deletes one that is not loaded, or looks at it without its class. */
  get [IS_STREAM](): true {
    return true
  }

  /**
   * Appends items as they are at the call; they are there, in this order and together, when it resolves.
   * @throws ValidationError volatile, ended, or an item that cannot be stored, with its path; nothing is appended then.
   */
  async append(...items: readonly T[]): Promise<void> {
    const { unit, ref, streams } = placeIn(unitIfOpen() ?? stateOf(this).unit ?? (await currentUnit()), this, 'append')
    if (items.length === 0) return
    const bytes = items.map((item, i) => encodeValue(item, itemContext(unit, i)))
    await unit.appends.inOrder(ref.id, items.length, (producer, from) => streams.append(ref, producer, from, bytes))
    await unit.store.reached()
  }

  /** Nothing more will be appended after what was before this call: consumers stop once they have had everything. */
  async end(): Promise<void> {
    const { unit, ref, streams } = await placeOf(this, 'end')
    await unit.appends.arrived(ref.id)
    await streams.end(ref)
  }

  /**
   * The items as this group's consumers share them, until the stream has ended. An item counts as consumed when the loop asks for the
   * next one or is left; what was fetched beyond it is given back.
   */
  async *consume(options: ConsumeOptions = {}): AsyncGenerator<T, void, void> {
    assertKnown(options, CONSUME_OPTIONS, 'consume()')
    const { unit, ref, streams } = await placeOf(this, 'consume')
    const group = requireName('group', options.group ?? 'default')
    const consumer = requireName('consumer', options.consumer ?? v4())
    const limit = waitLimit(options)
    const leaseMs = requireCount('leaseMs', options.leaseMs ?? LEASE_MS)
    let max = requireCount('batch', options.batch ?? FIRST_BATCH, BATCH_MAX)
    for (;;) {
      const items = await streams.read(ref, { group, consumer, max, leaseMs }, limit)
      if (items.length === 0) return
      if (options.batch === undefined) max = roomFor(items)
      const work = new Fetched(streams, ref, group, items)
      try {
        for (const [, bytes] of items) {
          const item = decodeValue(bytes, readingContext(unit, ref)) as T
          work.begun()
          yield item
        }
      } finally {
        await work.over()
      }
    }
  }

  /** As `consume()`. */
  [Symbol.asyncIterator](): AsyncGenerator<T, void, void> {
    return this.consume()
  }
}

interface Place {
  readonly unit: UnitOfWork
  readonly ref: Ref
  readonly streams: Streams
}

/** Not a method: private ones are missing on a handle, and a stream has no fields to load. */
const placeOf = async (stream: StorageObject, verb: string): Promise<Place> => placeIn(await currentUnit(), stream, verb)

function placeIn(running: UnitOfWork, stream: StorageObject, verb: string): Place {
  const state = stateOf(stream)
  const unit = running.unitFor(state)
  if (!state.ref || unit.isNew(stream)) {
    const why = state.ref ? 'is stored only when the unit of work ends: make it persistent outside,' : 'is volatile: call makePersistent()'
    throw new ValidationError(`the stream ${why} before ${verb}()`, { code: 'ERR_NOT_PERSISTENT' })
  }
  unit.looksBeyond = true
  const { streams, url } = unit.store.backend
  if (!streams) throw noStreams(url)
  return { unit, ref: state.ref, streams }
}

/** How many such items are fetched at once. */
function roomFor(items: readonly StreamItem[]): number {
  let bytes = 0
  for (const [, item] of items) bytes += item.length
  return Math.max(1, Math.min(BATCH, Math.floor((BATCH_BYTES_MAX * items.length) / bytes)))
}

/** Items on their way through a consumer. */
class Fetched {
  #begun = 0

  constructor(
    readonly streams: Streams,
    readonly stream: Ref,
    readonly group: string,
    readonly items: readonly StreamItem[],
  ) {}

  begun(): void {
    this.#begun++
  }

  async over(): Promise<void> {
    const ids = this.items.map(([id]) => id)
    try {
      if (this.#begun > 0) await this.streams.ack(this.stream, this.group, ids.slice(0, this.#begun))
      if (this.#begun < ids.length) await this.streams.release(this.stream, this.group, ids.slice(this.#begun))
    } catch (error) {
      if (!(error instanceof NotFoundError)) throw error // a stream that was deleted takes nothing back; who reads on is told
    }
  }
}

/** Errors: ValidationError for what is no name: that of others in one store, and its own in another. */
function requireName(what: string, name: unknown): string {
  if (typeof name !== 'string' || name === '' || !name.isWellFormed())
    throw new ValidationError(
      `a ${what} is a text of at least one character, without lone surrogates, not ${inspect(name, { depth: 0, maxStringLength: 40 })}`,
      {
        path: what,
      },
    )
  return name
}

function requireCount(what: string, count: number, max = Number.MAX_SAFE_INTEGER): number {
  if (Number.isInteger(count) && count >= 1 && count <= max) return count
  throw new ValidationError(`${what} must be a whole number from 1 to ${max}, not ${String(count)}`, { path: what })
}

const itemContext = (unit: UnitOfWork, i: number): EncodeContext => ({
  path: `item ${i + 1}`,
  refOf: (value) => (isStorageObject(value) ? refOfItem(unit, value, i) : undefined),
  collectionOf: () => undefined,
  classOf: () => undefined,
})

/** What is appended is seen at once, so what it refers to must be there. */
function refOfItem(unit: UnitOfWork, value: StorageObject, i: number): Ref {
  const { ref } = stateOf(value)
  if (ref && !unit.isNew(value)) return ref
  const why = ref ? 'is stored only when the unit of work ends' : 'is volatile'
  throw new ValidationError(`item ${i + 1} holds an object that ${why}: consumers could not load it; make it persistent before, outside`, {
    code: 'ERR_STREAM_ITEM',
    path: `item ${i + 1}`,
  })
}

const readingContext = (unit: UnitOfWork, stream: Ref): DecodeContext => ({
  resolve: (ref) => unit.instanceOf(ref),
  collection: () => {
    throw new CorruptError(`an item of stream ${stream.id} holds a collection`, { id: stream.id })
  },
  nested: () => undefined,
})
