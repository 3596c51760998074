/** What looking after a store has to see, found by SCAN like all listings. */

import { type Intent, type Mark, Ref, type Table, type Target, type Upkeep } from '../../src/backend.js'
import { type ClassId, type Id, madeAtMs, type TableId } from '../../src/ids.js'
import { markOf } from '../../src/mark-form.js'
import { backUp } from './backup.js'
import { byDomain } from './by-domain.js'
import { askWhatIs } from './in-pages.js'
import { scanKeys } from './listing.js'
import { intentOf, metaOf } from './object-form.js'
import { type Partition, partitionOfAlias, partitionOfId, type RedisKeys } from './redis-keys.js'
import type { RedisLink, Reply } from './redis-link.js'
import { knownTable } from './redis-rows.js'

/** What a script call or a page looks at. */
const KEYS_MAX = 256
/** A mark does not keep the class of its home, by which nothing is found here. */
const HOME_CLASS = 'insitu#home' as ClassId

/** Its owner is nobody, as it should be. */
const remnant = (id: TableId): Table => ({
  id,
  owner: new Ref(id as string as Id, HOME_CLASS),
  keys: [],
  partition: 0,
  values: [],
  writes: 'lww',
})

type Met = { readonly target: Target; readonly intent: Intent }

export class RedisUpkeep implements Upkeep {
  constructor(
    readonly link: RedisLink,
    readonly keys: RedisKeys,
    readonly domainOf: (partition: Partition) => Partition,
  ) {}

  backup(folder: string): Promise<void> {
    return backUp(this.link, folder)
  }

  async *tables(onDamage: (id: TableId, error: unknown) => undefined = fails): AsyncGenerator<readonly Table[], void, void> {
    for await (const keys of scanKeys(this.link, this.keys.anyTable)) {
      const found = await Promise.all(
        keys.map((key) => this.#tableAt(key).catch((error: unknown) => onDamage(this.keys.tableOf(key), error))),
      )
      const tables = found.flatMap((table) => table ?? [])
      if (tables.length > 0) yield tables
    }
    yield* this.#remnants()
  }

  async #tableAt(key: string): Promise<Table | undefined> {
    const json = await this.link.command((client) => client.hget(key, 'table'))
    return json === null ? undefined : knownTable(this.keys.tableOf(key), json, undefined).table
  }

  /** Tables of which only parts are left, since whoever dropped them died: the definition goes first, and is made first. */
  async *#remnants(): AsyncGenerator<readonly Table[], void, void> {
    const seen = new Set<TableId>()
    for await (const keys of scanKeys(this.link, this.keys.anyTablePart)) {
      const ids = [...new Set(keys.map((key) => this.keys.tableOf(key)))].filter((id) => !seen.has(id))
      for (const id of ids) seen.add(id)
      const isThere = await Promise.all(ids.map((id) => this.link.command((client) => client.exists(this.keys.table(id)[0]))))
      const left = ids.filter((_, i) => isThere[i] === 0).map(remnant)
      if (left.length > 0) yield left
    }
  }

  async *marksBefore(beforeMs: number): AsyncGenerator<readonly { readonly home: Ref; readonly mark: Mark }[], void, void> {
    for await (const keys of scanKeys(this.link, this.keys.anyMarks))
      for (const key of keys) {
        const home = new Ref(this.keys.idOf(key), HOME_CLASS)
        for await (const page of this.#fields(key)) {
          const old = page.flatMap(([name, form]) => {
            const mark = markOf(name, form)
            return madeAtMs(mark.attempt) < beforeMs ? [{ home, mark }] : []
          })
          if (old.length > 0) yield old
        }
      }
  }

  /** A hash of whatever size, in pages. */
  async *#fields(key: string): AsyncGenerator<(readonly [string, Buffer])[], void, void> {
    for (let cursor = '0', isFirst = true; isFirst || cursor !== '0'; isFirst = false) {
      const [next, found] = await this.link.command((client) => client.hscanBuffer(key, cursor, 'COUNT', KEYS_MAX))
      cursor = next.toString()
      yield Array.from({ length: found.length / 2 }, (_, i) => [found[i * 2]!.toString(), found[i * 2 + 1]!] as const)
    }
  }

  async *streams(): AsyncGenerator<readonly Id[], void, void> {
    for await (const keys of scanKeys(this.link, this.keys.anyStream)) yield keys.map((key) => this.keys.idOf(key))
  }

  async *intents(): AsyncGenerator<readonly Met[], void, void> {
    yield* this.#met(this.keys.anyObject, 'o', (key, head) => {
      const id = this.keys.idOf(key)
      return [partitionOfId(id), { ref: new Ref(id, head ? metaOf(head).classId : HOME_CLASS) }]
    })
    yield* this.#met(this.keys.anyAlias(''), 'a', (key) => {
      const alias = this.keys.aliasOf(key)
      return [partitionOfAlias(alias), { alias }]
    })
  }

  async *#met(
    pattern: string,
    kind: 'o' | 'a',
    targetOf: (key: string, head?: string) => readonly [Partition, Target],
  ): AsyncGenerator<readonly Met[], void, void> {
    for await (const keys of scanKeys(this.link, pattern)) {
      const met: Met[] = []
      for (const [domain, some] of byDomain(keys, (key) => this.domainOf(targetOf(key)[0])))
        for (const [i, reply] of (await askWhatIs(this.link, domain, some, kind.repeat(some.length))).entries()) {
          const [head, intent] = reply as readonly Reply[]
          if (intent) met.push({ target: targetOf(some[i]!, head ? String(head) : undefined)[1], intent: intentOf(intent as Buffer) })
        }
      if (met.length > 0) yield met
    }
  }
}

function fails(_: TableId, error: unknown): never {
  throw error
}
