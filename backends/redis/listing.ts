import { Ref } from '../../src/backend.js'
import type { ClassId, Id } from '../../src/ids.js'
import { byDomain } from './by-domain.js'
import { refOf } from './group-form.js'
import { askWhatIs } from './in-pages.js'
import { metaOf } from './object-form.js'
import { isCluster } from './redis-client.js'
import type { Partition, RedisKeys } from './redis-keys.js'
import { partitionOfAlias, partitionOfId } from './redis-keys.js'
import type { RedisLink, Reply } from './redis-link.js'

const SCAN_COUNT = 1000

/**
 * What there is, found by SCAN: an index would cost every writer, and listings are rare. SCAN shows each key that stands all the while at
 * least once; when slots move meanwhile it may not, and is begun again.
 */
export class Listing {
  constructor(
    readonly link: RedisLink,
    readonly keys: RedisKeys,
    readonly domainOf: (partition: Partition) => Partition,
  ) {}

  async *objects(classId: ClassId | undefined): AsyncGenerator<readonly Ref[], void, void> {
    for await (const keys of scanKeys(this.link, this.keys.anyObject)) {
      const found = await this.#fields(keys.map((key) => this.keys.idOf(key)))
      const refs = found.filter((ref) => classId === undefined || ref.classId === classId)
      if (refs.length > 0) yield refs
    }
    await this.link.requireAllSeen()
  }

  async *aliases(prefix: string): AsyncGenerator<readonly (readonly [string, Ref])[], void, void> {
    for await (const keys of scanKeys(this.link, this.keys.anyAlias(prefix))) {
      const found = await this.namesOf(keys.map((key) => this.keys.aliasOf(key)))
      if (found.length > 0) yield found
    }
    await this.link.requireAllSeen()
  }

  /** The names that an object has, of those that it may have. */
  async *aliasesOf(id: Id): AsyncGenerator<readonly (readonly [string, Ref])[], void, void> {
    const names = await this.link.command((client) => client.smembers(this.keys.hints(id)))
    await this.link.read(this.domainOf(partitionOfId(id)), []) // an object whose names are lost is not one without
    const found = (await this.namesOf(names)).filter(([, ref]) => ref.id === id)
    for (let at = 0; at < found.length; at += SCAN_COUNT) yield found.slice(at, at + SCAN_COUNT)
  }

  /** The aliases that stand, with what they name. */
  async namesOf(aliases: readonly string[]): Promise<(readonly [string, Ref])[]> {
    const replies = await this.#read('a', aliases, (alias) => this.keys.alias(alias), partitionOfAlias)
    return aliases.flatMap((alias, i) => {
      const form = replies[i]
      return form ? [[alias, refOf(form)] as const] : []
    })
  }

  async #fields(ids: readonly Id[]): Promise<Ref[]> {
    const replies = await this.#read('o', ids, (id) => this.keys.object(id), partitionOfId)
    return ids.flatMap((id, i) => {
      const form = replies[i]
      return form ? [new Ref(id, metaOf(form.toString()).classId)] : []
    })
  }

  /** What each is, in the order asked. */
  async #read<T>(
    kind: 'o' | 'a',
    what: readonly T[],
    keyOf: (one: T) => string,
    partitionOf: (one: T) => Partition,
  ): Promise<(Buffer | null)[]> {
    const found: (Buffer | null)[] = new Array(what.length).fill(null)
    const groups = byDomain(what.keys(), (i) => this.domainOf(partitionOf(what[i]!)))
    const readOne = async (domain: Partition, at: readonly number[]): Promise<void> => {
      const keys = at.map((i) => keyOf(what[i]!))
      const replies = await askWhatIs(this.link, domain, keys, kind.repeat(keys.length))
      at.forEach((i, n) => {
        found[i] = (replies[n] as readonly Reply[])[0] as Buffer | null
      })
    }
    await Promise.all([...groups].map(([domain, at]) => readOne(domain, at)))
    return found
  }
}

/** Every key of a pattern that is one of the layout, once. */
export async function* scanKeys(link: RedisLink, pattern: string): AsyncGenerator<readonly string[], void, void> {
  for await (const found of scanAll(link, pattern)) {
    const keys = found.filter((key) => link.keys.has(key))
    if (keys.length > 0) yield keys
  }
}

/** Every key of a pattern, once. */
export async function* scanAll(link: RedisLink, pattern: string): AsyncGenerator<readonly string[], void, void> {
  const seen = new Set<string>()
  for (let before = ''; ; ) {
    const topology = await topologyOf(link)
    if (topology === before) return
    before = topology
    for (const master of link.masters()) {
      for (let cursor = '0', isFirst = true; isFirst || cursor !== '0'; isFirst = false) {
        const [next, keys] = await link.command(() => master.scan(cursor, 'MATCH', pattern, 'COUNT', SCAN_COUNT))
        cursor = next
        const fresh = keys.filter((key) => !seen.has(key))
        for (const key of fresh) seen.add(key)
        if (fresh.length > 0) yield fresh
      }
    }
  }
}

/** What says whether slots moved. */
async function topologyOf(link: RedisLink): Promise<string> {
  if (!isCluster(link.client)) return 'one server'
  const slots = await link.command((client) => client.cluster('SLOTS'))
  return JSON.stringify(slots)
}
