import { setTimeout as sleep } from 'node:timers/promises'
import type { Ref, StreamItem, StreamRead, Streams } from '../../src/backend.js'
import type { Id } from '../../src/ids.js'
import {
  ackItems,
  appendItems,
  endStream,
  type GroupHead,
  nextLapseMs,
  releaseItems,
  type StreamHead,
  type StreamSpace,
  takeItems,
} from './stream-rules.js'

interface Stream {
  head: StreamHead | undefined
  readonly items: Uint8Array[]
  readonly producers: Map<string, number>
  readonly groups: Map<string, GroupHead>
}

/** The streams of one domain, shared by all who have it open. */
export class StreamData {
  readonly #streams = new Map<Id, Stream>()
  #waiting: (() => void)[] = []

  of(id: Id): Stream {
    let stream = this.#streams.get(id)
    if (!stream) this.#streams.set(id, (stream = { head: undefined, items: [], producers: new Map(), groups: new Map() }))
    return stream
  }

  get ids(): readonly Id[] {
    return [...this.#streams.keys()]
  }

  drop(id: Id): void {
    this.#streams.delete(id)
    this.changed()
  }

  /** Resolves at the next change of any stream. */
  change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  changed(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

const spaceOf = (data: StreamData, stands: (id: Id) => boolean): StreamSpace => ({
  stands,
  head: (id) => data.of(id).head,
  setHead: (id, head) => void (data.of(id).head = head),
  producer: (id, name) => data.of(id).producers.get(name) ?? 0,
  setProducer: (id, name, next) => void data.of(id).producers.set(name, next),
  item: (id, number) => Uint8Array.from(data.of(id).items[number]!),
  setItem: (id, number, item) => void (data.of(id).items[number] = Uint8Array.from(item)),
  group: (id, name) => data.of(id).groups.get(name),
  setGroup: (id, name, head) => void data.of(id).groups.set(name, head),
})

/** `dataAt`: of the domain that an object lies in, checking that the backend is open; `stands`: whether the object does. */
export function memoryStreams(dataAt: (id: Id) => StreamData, stands: (id: Id) => boolean): Streams {
  const within = (stream: Ref, body: (space: StreamSpace) => void): Promise<void> => {
    const data = dataAt(stream.id)
    body(spaceOf(data, stands))
    data.changed()
    return Promise.resolve()
  }
  return {
    append: async (stream, producer, from, items) => within(stream, (space) => appendItems(space, stream, producer, from, items)),
    read: (stream, read, signal) => readWaiting(() => dataAt(stream.id), stands, stream, read, signal),
    ack: async (stream, group, ids) => within(stream, (space) => ackItems(space, stream, group, ids)),
    release: async (stream, group, ids) => within(stream, (space) => releaseItems(space, stream, group, ids)),
    end: async (stream) => within(stream, (space) => endStream(space, stream)),
    items: async function* (stream) {
      yield dataAt(stream.id)
        .of(stream.id)
        .items.map((item) => Uint8Array.from(item))
    },
    drop: async (stream) => dataAt(stream.id).drop(stream.id),
  }
}

async function readWaiting(
  open: () => StreamData,
  stands: (id: Id) => boolean,
  stream: Ref,
  read: StreamRead,
  signal?: AbortSignal,
): Promise<readonly StreamItem[]> {
  for (;;) {
    signal?.throwIfAborted()
    const data = open()
    const space = spaceOf(data, stands)
    const taken = takeItems(space, stream, read, Date.now())
    if (taken === 'over') return []
    if (taken.length > 0) return taken
    await changeOrLapse(data.change(), nextLapseMs(space, stream, read.group), signal)
  }
}

/** An open backend is closed, or a deleted object noticed, without a change of the stream: so nobody waits longer than this. */
const LOOK_MS = 1000

export async function changeOrLapse(change: Promise<void>, lapseMs: number | undefined, signal?: AbortSignal): Promise<void> {
  const waited = new AbortController()
  const both = signal ? AbortSignal.any([signal, waited.signal]) : waited.signal
  const ms = Math.min(LOOK_MS, lapseMs === undefined ? LOOK_MS : Math.max(1, lapseMs - Date.now()))
  try {
    await Promise.race([change, sleep(ms, undefined, { signal: both })])
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    waited.abort()
  }
}
