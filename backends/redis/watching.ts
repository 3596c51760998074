import type { Ref, Stamp, Watcher } from '../../src/backend.js'
import type { Id } from '../../src/ids.js'
import { byDomain } from './by-domain.js'
import { askWhatIs } from './in-pages.js'
import { InvalidationFeed } from './invalidation-feed.js'
import { metaOf } from './object-form.js'
import { type Partition, partitionOfId, type RedisKeys } from './redis-keys.js'
import type { RedisLink, Reply } from './redis-link.js'

/** How often all is looked at, should a notice be lost: a server tells what it knows only while the connection stands. */
const LOOK_MS = 1000
/** How often, where the server does not tell. */
const POLL_MS = 50

/** Follows objects: the server says which of those that were read have changed, and these are read again. */
export class Watching implements Watcher {
  readonly #feed: InvalidationFeed

  constructor(
    readonly link: RedisLink,
    readonly keys: RedisKeys,
    readonly domainOf: (partition: Partition) => Partition,
  ) {
    this.#feed = new InvalidationFeed(link)
  }

  async *watch(refs: readonly Ref[], signal: AbortSignal): AsyncGenerator<readonly [Ref, Stamp | null], void, void> {
    const seen = new Map<Id, string | null>()
    const byKey = new Map(refs.map((ref) => [this.keys.object(ref.id), ref]))
    const mine = this.#feed.subscribe()
    try {
      for (let due: readonly string[] = [...byKey.keys()]; !signal.aborted; ) {
        // Asked to tell before it is asked how it stands: what changes in between is told.
        const isTold = await mine.follow(due)
        const stamps = await this.#stamps(due.map((key) => byKey.get(key)!))
        for (const [ref, stamp] of stamps) {
          const commit = stamp?.commit ?? null
          if (seen.get(ref.id) === commit) continue
          seen.set(ref.id, commit)
          yield [ref, stamp]
        }
        const changed = await mine.next(isTold ? LOOK_MS : POLL_MS, signal)
        due = changed.length > 0 ? changed.filter((key) => byKey.has(key)) : [...byKey.keys()]
      }
    } finally {
      mine.end()
    }
  }

  async #stamps(refs: readonly Ref[]): Promise<readonly (readonly [Ref, Stamp | null])[]> {
    const found: (readonly [Ref, Stamp | null])[] = []
    const groups = byDomain(refs, ({ id }) => this.domainOf(partitionOfId(id)))
    await Promise.all(
      [...groups].map(async ([domain, some]) => {
        const keys = some.map(({ id }) => this.keys.object(id))
        const replies = await askWhatIs(this.link, domain, keys, 'o'.repeat(keys.length))
        some.forEach((ref, i) => {
          const [head] = replies[i] as readonly Reply[]
          found.push([ref, head ? metaOf(String(head)).stamp : null])
        })
      }),
    )
    return found
  }

  close(): void {
    this.#feed.close()
  }
}
