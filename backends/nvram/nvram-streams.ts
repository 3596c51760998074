import type { Ref, StreamItem, StreamRead, Streams } from '../../src/backend.js'
import { type Id, readUuid, uuidBytes } from '../../src/ids.js'
import { changeOrLapse } from '../memory/memory-streams.js'
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
} from '../memory/stream-rules.js'
import { afterPrefix, short } from './keys.js'
import type { NvramSpace } from './nvram-space.js'
import type { Dropping } from './table-drop.js'

/** What a record is of, behind the stream's id in its key. */
const KIND = { head: 0, producer: 1, item: 2, group: 3 } as const
/** Records removed in one transaction: some milliseconds. */
const DROPPED_AT_ONCE = 1000
/** How long a waiting reader leaves another process's append unnoticed. */
const LOOK_MS = 10

const ITEMS_AT_ONCE = 256

const keyOf = (stream: Id, kind: number, name = ''): Uint8Array => Buffer.concat([uuidBytes(stream), Uint8Array.of(kind), short(name)])

function itemKey(stream: Id, number: number): Uint8Array {
  const key = Buffer.alloc(16 + 1 + 8)
  key.set(uuidBytes(stream))
  key[16] = KIND.item
  key.writeBigUInt64BE(BigInt(number), 17)
  return key
}

const spaceOf = (space: NvramSpace): StreamSpace => ({
  stands: (id) => space.objectHead(id)?.record.stamp != null,
  head: (id) => space.streamRecord(keyOf(id, KIND.head), id) as StreamHead | undefined,
  setHead: (id, head) => space.setStreamRecord(keyOf(id, KIND.head), { ...head }),
  producer: (id, name) => (space.streamRecord(keyOf(id, KIND.producer, name), id) as number | undefined) ?? 0,
  setProducer: (id, name, next) => space.setStreamRecord(keyOf(id, KIND.producer, name), next),
  item: (id, number) => space.streamRecord(itemKey(id, number), id) as Uint8Array,
  setItem: (id, number, item) => space.setStreamRecord(itemKey(id, number), item),
  group: (id, name) => space.streamRecord(keyOf(id, KIND.group, name), id) as GroupHead | undefined,
  setGroup: (id, name, head) => space.setStreamRecord(keyOf(id, KIND.group, name), { ...head }),
})

/** `fresh`: the file as it is now, and how to change it; throws once closed. */
export function nvramStreams(fresh: () => Dropping): Streams {
  const within = (body: (space: StreamSpace) => void): void => {
    const { space, write } = fresh()
    write(() => body(spaceOf(space)))
  }
  return {
    append: async (stream, producer, from, items) => within((space) => appendItems(space, stream, producer, from, items)),
    read: (stream, read, signal) => readWaiting(fresh, stream, read, signal),
    ack: async (stream, group, ids) => within((space) => ackItems(space, stream, group, ids)),
    release: async (stream, group, ids) => within((space) => releaseItems(space, stream, group, ids)),
    end: async (stream) => within((space) => endStream(space, stream)),
    items: (stream) => allItems(fresh, stream.id),
    drop: async (stream) => {
      while (removedSome(fresh(), stream.id)) await new Promise((resolve) => setImmediate(resolve))
    },
  }
}

async function* allItems(fresh: () => Dropping, stream: Id): AsyncGenerator<readonly Uint8Array[], void, void> {
  for (let from = 0; ; from += ITEMS_AT_ONCE) {
    const space = spaceOf(fresh().space)
    const count = Math.min((space.head(stream)?.next ?? 0) - from, ITEMS_AT_ONCE)
    if (count <= 0) return
    yield Array.from({ length: count }, (_, i) => space.item(stream, from + i))
  }
}

/** By seeking, one look for each: the items of one lie together. */
export async function* streamIds(fresh: () => Pick<Dropping, 'env'>): AsyncGenerator<readonly Id[], void, void> {
  for (let start: Uint8Array | undefined = Uint8Array.of(0); start; ) {
    const ids: Id[] = []
    while (start && ids.length < ITEMS_AT_ONCE) {
      const [key] = fresh().env.streams.keys({ start, limit: 1 })
      if (!key) return void (ids.length > 0 && (yield ids))
      ids.push(readUuid(key, 0) as Id)
      start = afterPrefix(key.subarray(0, 16))
    }
    yield ids
  }
}

function removedSome({ env, space, write }: Dropping, stream: Id): boolean {
  const prefix = uuidBytes(stream)
  const keys = env.streams.keys({ start: prefix, end: afterPrefix(prefix) ?? Uint8Array.of(255), limit: DROPPED_AT_ONCE })
  if (keys.length > 0) write(() => keys.forEach((key) => void space.remove(env.streams, key)))
  return keys.length === DROPPED_AT_ONCE
}

async function readWaiting(fresh: () => Dropping, stream: Ref, read: StreamRead, signal?: AbortSignal): Promise<readonly StreamItem[]> {
  for (let seen = -1; ; ) {
    signal?.throwIfAborted()
    const { env, space, write } = fresh()
    const lapseMs = nextLapseMs(spaceOf(space), stream, read.group)
    const newest = env.file.newest()
    // The write lock is taken only when there may be something to take.
    if (newest !== seen || (lapseMs !== undefined && lapseMs <= Date.now())) {
      const taken: (readonly StreamItem[] | 'over')[] = []
      write(() => void taken.push(takeItems(spaceOf(space), stream, read, Date.now())))
      const last = taken.at(-1)!
      if (last === 'over') return []
      if (last.length > 0) return last
      seen = newest
    }
    const look = new Promise<void>((resolve) => setTimeout(resolve, LOOK_MS))
    await changeOrLapse(look, lapseMs, signal)
  }
}
