import { setTimeout as delay } from 'node:timers/promises'
import type { Ref, StreamItem, StreamRead, Streams } from '../../src/backend.js'
import { NotFoundError, ValidationError } from '../../src/errors.js'
import type { Argument } from './redis-client.js'
import { type Partition, partitionOfId, type RedisKeys } from './redis-keys.js'
import type { RedisLink, Reply } from './redis-link.js'

/** How often a reader that waits looks again: soon at first, then seldom. */
const LOOK_MS_MIN = 5
const LOOK_MS_MAX = 50
const ITEMS_AT_ONCE = 256
/** Ids in one call: what a script takes apart in a moment. */
const IDS_AT_ONCE = 1000

/** `Streams` on Redis Streams: lua/stream.lua has the rules. */
export class RedisStreams implements Streams {
  readonly #link: RedisLink
  readonly #keys: RedisKeys
  readonly #domainOf: (partition: Partition) => Partition

  constructor(link: RedisLink, keys: RedisKeys, domainOf: (partition: Partition) => Partition) {
    this.#link = link
    this.#keys = keys
    this.#domainOf = domainOf
  }

  async append(stream: Ref, producer: string, from: number, items: readonly Uint8Array[]): Promise<void> {
    for (const item of items) this.#link.room.require(bufferOf(item), () => `An item of stream ${stream.id}`)
    const said = await this.#call(stream, ['append', producer, String(from), ...items.map(bufferOf)], true)
    if (said === 'ended')
      throw new ValidationError(`Stream ${stream.id} has ended: nothing can be appended to it.`, {
        code: 'ERR_STREAM_ENDED',
        id: stream.id,
      })
  }

  async read(stream: Ref, read: StreamRead, signal?: AbortSignal): Promise<readonly StreamItem[]> {
    for (let ms = LOOK_MS_MIN; ; ms = Math.min(ms * 2, LOOK_MS_MAX)) {
      signal?.throwIfAborted()
      const said = await this.#call(stream, ['read', read.group, read.consumer, String(read.max), String(read.leaseMs)])
      if (said === 'over') return []
      const items = itemsIn(said)
      if (items.length > 0) return this.#unlessAborted(stream, read.group, items, signal)
      await delay(ms, undefined, { ...(signal && { signal }) }).catch((error: unknown) => {
        signal?.throwIfAborted()
        throw error
      })
    }
  }

  async #unlessAborted(stream: Ref, group: string, items: readonly StreamItem[], signal?: AbortSignal): Promise<readonly StreamItem[]> {
    if (!signal?.aborted) return items
    await this.release(
      stream,
      group,
      items.map(([id]) => id),
    )
    throw signal.reason
  }

  ack(stream: Ref, group: string, ids: readonly string[]): Promise<void> {
    return this.#each('ack', stream, group, ids)
  }

  release(stream: Ref, group: string, ids: readonly string[]): Promise<void> {
    return this.#each('release', stream, group, ids)
  }

  async #each(what: 'ack' | 'release', stream: Ref, group: string, ids: readonly string[]): Promise<void> {
    const known = ids.filter((id) => ENTRY.test(id))
    for (let at = 0; at < known.length; at += IDS_AT_ONCE) await this.#call(stream, [what, group, ...known.slice(at, at + IDS_AT_ONCE)])
  }

  async end(stream: Ref): Promise<void> {
    await this.#call(stream, ['end'], true)
  }

  async *items(stream: Ref): AsyncGenerator<readonly Uint8Array[], void, void> {
    const [entries] = this.#keys.stream(stream.id)
    for (let start = '-'; ; ) {
      const page = await this.#link.command((client) => client.xrangeBuffer(entries, start, '+', 'COUNT', ITEMS_AT_ONCE))
      if (page.length > 0) yield page.map(([, fields]) => Uint8Array.from(fields[1]!))
      if (page.length < ITEMS_AT_ONCE) return
      start = `(${page.at(-1)![0].toString()}`
    }
  }

  async drop(stream: Ref): Promise<void> {
    await this.#link.command((client) => client.unlink(...this.#keys.stream(stream.id)))
  }

  /** What the script says instead of an answer, or its answer. */
  async #call({ id }: Ref, words: readonly Argument[], isWrite = false): Promise<'ended' | 'over' | readonly Reply[]> {
    const domain = this.#domainOf(partitionOfId(id))
    const keys = [this.#keys.object(id), ...this.#keys.stream(id)]
    const replies = await this.#link.call({ script: 'stream', domain, keys, args: () => words, isWrite })
    const said = replies.length === 1 && replies[0] instanceof Buffer ? replies[0].toString() : undefined
    if (said === 'gone') throw new NotFoundError(`There is no stream ${id}: it was deleted.`, { id })
    return said === 'ended' || said === 'over' ? said : replies
  }
}

/** An entry's id as Redis makes them; others are unknown. */
const ENTRY = /^\d+-\d+$/

const bufferOf = (bytes: Uint8Array): Buffer => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

function itemsIn(said: 'ended' | readonly Reply[]): StreamItem[] {
  const items: StreamItem[] = []
  for (let i = 0; i + 1 < said.length; i += 2) items.push([(said[i] as Buffer).toString(), Uint8Array.from(said[i + 1] as Buffer)])
  return items
}
