/**
 * What appending to a stream and reading it does to its records: the contract of `Streams`, in code, for stores whose reads and writes of
 * one call are not mixed with others'. All synchronous.
 */
import type { Ref, StreamItem, StreamRead } from '../../src/backend.js'
import { NotFoundError, ValidationError } from '../../src/errors.js'
import type { Id } from '../../src/ids.js'

/** How far a stream has got. */
export interface StreamHead {
  /** Number of the next item. */
  readonly next: number
  readonly ended: boolean
}

/** How far a group has got: items before `next` were handed out; those of them that are not acknowledged are pending. */
export interface GroupHead {
  readonly next: number
  readonly pending: readonly Pending[]
}

export interface Pending {
  readonly item: number
  readonly consumer: string
  /** When others may have it (milliseconds since the epoch); 0 for one that was given back. */
  readonly untilMs: number
}

/** Where the records of streams lie. */
export interface StreamSpace {
  /** Whether the object of a stream stands. */
  stands(stream: Id): boolean
  head(stream: Id): StreamHead | undefined
  setHead(stream: Id, head: StreamHead): void
  /** The number after the last that a producer has appended. */
  producer(stream: Id, name: string): number
  setProducer(stream: Id, name: string, next: number): void
  item(stream: Id, number: number): Uint8Array
  setItem(stream: Id, number: number, item: Uint8Array): void
  group(stream: Id, name: string): GroupHead | undefined
  setGroup(stream: Id, name: string, head: GroupHead): void
}

const NEW: StreamHead = { next: 0, ended: false }
const NEW_GROUP: GroupHead = { next: 0, pending: [] }

export function appendItems(space: StreamSpace, stream: Ref, producer: string, from: number, items: readonly Uint8Array[]): void {
  const head = headOf(space, stream)
  const had = space.producer(stream.id, producer)
  const fresh = items.slice(Math.max(0, had - from))
  if (fresh.length === 0) return
  if (head.ended)
    throw new ValidationError(`Stream ${stream.id} has ended: nothing can be appended to it.`, { code: 'ERR_STREAM_ENDED', id: stream.id })
  for (const [i, item] of fresh.entries()) space.setItem(stream.id, head.next + i, item)
  space.setHead(stream.id, { ...head, next: head.next + fresh.length })
  space.setProducer(stream.id, producer, from + items.length)
}

/** The items handed out now: none when there are none, `'over'` when there will never be. */
export function takeItems(space: StreamSpace, stream: Ref, read: StreamRead, nowMs: number): readonly StreamItem[] | 'over' {
  const head = headOf(space, stream)
  const group = space.group(stream.id, read.group) ?? NEW_GROUP
  const lapsed = group.pending.filter(({ untilMs }) => untilMs <= nowMs).slice(0, read.max)
  const until = Math.min(head.next, group.next + read.max - lapsed.length)
  const taken = [...lapsed.map(({ item }) => item), ...Array.from({ length: until - group.next }, (_, i) => group.next + i)]
  if (taken.length === 0) return head.ended && group.pending.length === 0 ? 'over' : []
  const again = new Set(lapsed)
  const mine = taken.map((item) => ({ item, consumer: read.consumer, untilMs: nowMs + read.leaseMs }))
  const pending = [...group.pending.filter((one) => !again.has(one)), ...mine].sort((a, b) => a.item - b.item)
  space.setGroup(stream.id, read.group, { next: until, pending })
  return taken.map((item) => [String(item), space.item(stream.id, item)])
}

export function ackItems(space: StreamSpace, stream: Ref, name: string, ids: readonly string[]): void {
  changePending(space, stream, name, ids, () => [])
}

export function releaseItems(space: StreamSpace, stream: Ref, name: string, ids: readonly string[]): void {
  changePending(space, stream, name, ids, (one) => [{ ...one, untilMs: 0 }])
}

export function endStream(space: StreamSpace, stream: Ref): void {
  const head = headOf(space, stream)
  if (!head.ended) space.setHead(stream.id, { ...head, ended: true })
}

function changePending(space: StreamSpace, stream: Ref, name: string, ids: readonly string[], change: (one: Pending) => Pending[]): void {
  headOf(space, stream)
  const group = space.group(stream.id, name)
  if (!group) return
  const named = new Set(ids)
  const pending = group.pending.flatMap((one) => (named.has(String(one.item)) ? change(one) : [one]))
  space.setGroup(stream.id, name, { ...group, pending })
}

function headOf(space: StreamSpace, stream: Ref): StreamHead {
  if (!space.stands(stream.id)) throw new NotFoundError(`There is no stream ${stream.id}: it was deleted.`, { id: stream.id })
  return space.head(stream.id) ?? NEW
}

/** When something may have changed for a group by the mere passing of time; `undefined`: not by that. */
export function nextLapseMs(space: StreamSpace, stream: Ref, name: string): number | undefined {
  const pending = space.group(stream.id, name)?.pending ?? []
  return pending.length === 0 ? undefined : Math.min(...pending.map(({ untilMs }) => untilMs))
}
