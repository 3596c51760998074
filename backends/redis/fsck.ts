/**
 * Looks at everything that a namespace holds, while programs go on. What seems damaged is looked at again, since somebody may just have
 * changed it.
 */
import { CorruptError, NotFoundError } from '../../src/errors.js'
import type { Id, TableId } from '../../src/ids.js'
import { scanKeys } from './listing.js'
import { openObject } from './object-form.js'
import { RedisBackend } from './redis-backend.js'
import { configOf } from './redis-config.js'
import type { RedisKeys, TableKeys } from './redis-keys.js'
import { RedisLink } from './redis-link.js'
import { partitionsOf, spreadOf } from './spread.js'

export interface RedisFinding {
  /** `record`: it cannot be read. `index`: rows and the order of their keys differ. `reference`: it leads to what is not there. */
  readonly kind: 'record' | 'index' | 'reference'
  readonly what: string
  readonly how: string
}

export interface RedisFsckReport {
  readonly damaged: number
  readonly dangling: number
  readonly records: { readonly objects: number; readonly names: number; readonly rows: number }
}

/** @throws UnavailableError, UnsupportedError: it cannot be checked */
export async function fsck(url: string, options: { readonly onFinding?: (finding: RedisFinding) => void } = {}): Promise<RedisFsckReport> {
  const backend = new RedisBackend(configOf(url))
  const link = new RedisLink(configOf(url), backend.keys)
  await backend.open()
  try {
    await link.open()
    return await new Check(backend, link, backend.keys, options.onFinding ?? (() => {})).all()
  } finally {
    link.close()
    await backend.close()
  }
}

class Check {
  #damaged = 0
  #dangling = 0
  readonly #records = { objects: 0, names: 0, rows: 0 }

  constructor(
    readonly backend: RedisBackend,
    readonly link: RedisLink,
    readonly keys: RedisKeys,
    readonly onFinding: (finding: RedisFinding) => void,
  ) {}

  async all(): Promise<RedisFsckReport> {
    await this.#objects()
    await this.#cells()
    await this.#aliases()
    await this.#tables()
    return { damaged: this.#damaged, dangling: this.#dangling, records: this.#records }
  }

  #found(kind: RedisFinding['kind'], what: string, how: string): void {
    if (kind === 'reference') this.#dangling++
    else this.#damaged++
    this.onFinding({ kind, what, how })
  }

  /** Anything else ends the check. */
  #damage(what: string, error: unknown): undefined {
    if (!(error instanceof CorruptError)) throw error
    this.#found('record', what, error.message)
  }

  async #objects(): Promise<void> {
    for await (const keys of scanKeys(this.link, this.keys.anyObject))
      for (const key of keys) {
        const id = this.keys.idOf(key)
        const how = (await this.#flawOf(id)) && (await this.#flawOf(id))
        if (how) this.#found('record', `Object ${id}`, how)
        else this.#records.objects++
      }
  }

  async #flawOf(id: Id): Promise<string | undefined> {
    try {
      const value = await this.link.command((client) => client.getBuffer(this.keys.object(id)))
      const outside = openObject(id, value)?.outside ?? []
      const sizes = await Promise.all(outside.map(({ name }) => this.link.command((client) => client.strlen(this.keys.cell(id, name)))))
      const at = outside.findIndex(({ bytes }, i) => sizes[i] !== bytes)
      return at < 0 ? undefined : `its large field ${outside[at]!.field} has ${sizes[at]} bytes of ${outside[at]!.bytes}`
    } catch (error) {
      return (error as Error).message
    }
  }

  /** Large cells that no object names; those of groups on their way expire. */
  async #cells(): Promise<void> {
    for await (const keys of scanKeys(this.link, this.keys.anyCell))
      for (const key of keys) {
        const [id, ...rest] = key.slice(key.lastIndexOf(':') + 1).split('.')
        const name = rest.join('.')
        if ((await this.#isNamed(id as Id, name)) || (await this.link.command((client) => client.pttl(key))) !== -1) continue
        if (!(await this.#isNamed(id as Id, name))) this.#found('reference', `Large field ${name} of object ${id}`, 'no object names it')
      }
  }

  async #isNamed(id: Id, name: string): Promise<boolean> {
    try {
      const value = await this.link.command((client) => client.getBuffer(this.keys.object(id)))
      return openObject(id, value)?.outside.some((one) => one.name === name) ?? false
    } catch {
      return true // it was found before
    }
  }

  async #aliases(): Promise<void> {
    for await (const keys of scanKeys(this.link, this.keys.anyAlias(''))) {
      const page = await this.#namesOf(keys.map((key) => this.keys.aliasOf(key)))
      const found = await this.#areThere(page.map(([, id]) => id))
      page.forEach(([alias, id], i) => {
        this.#records.names++
        if (!found[i]) this.#found('reference', `Alias ${JSON.stringify(alias)}`, `object ${id} is not there`)
      })
    }
  }

  /** Those that name something. One of them that is damaged would hide the others. */
  async #namesOf(aliases: readonly string[]): Promise<(readonly [alias: string, id: Id])[]> {
    try {
      const found = await this.backend.find(aliases.map((alias) => ({ alias })))
      return found.flatMap((one, i) => (one?.ref ? [[aliases[i]!, one.ref.id] as const] : []))
    } catch (error) {
      if (aliases.length > 1) return (await Promise.all(aliases.map((alias) => this.#namesOf([alias])))).flat()
      this.#damage(`Alias ${JSON.stringify(aliases[0])}`, error)
      return []
    }
  }

  async #tables(): Promise<void> {
    for await (const tables of this.backend.upkeep.tables((id, error) => this.#damage(`Table ${id}`, error)))
      for (const { id, owner } of tables) {
        const [isThere] = await this.#areThere([owner.id])
        if (!isThere) this.#found('reference', `Table ${id}`, `its owner ${owner.id} is not there`)
        await this.#rows(id)
      }
  }

  async #rows(id: TableId): Promise<void> {
    try {
      for await (const page of this.backend.scan({ in: id })) this.#records.rows += page.length
    } catch (error) {
      if (error instanceof NotFoundError) return // it was dropped meanwhile, or somebody who dropped it died before he was done
      this.#damage(`A row of table ${id}`, error)
      return
    }
    for (const [, index, rows] of this.#keysOf(id))
      for await (const key of this.#rowsOutOfOrder(index, rows))
        this.#found('index', `Table ${id}`, `row ${key.toString('hex')} is not in the order of its keys`)
  }

  /** Damaged ones as well: those were found before. */
  async #areThere(ids: readonly Id[]): Promise<boolean[]> {
    try {
      return (await this.backend.find(ids)).map((one) => one !== undefined)
    } catch (error) {
      if (!(error instanceof CorruptError)) throw error
      return ids.length === 1 ? [true] : (await Promise.all(ids.map((id) => this.#areThere([id])))).flat()
    }
  }

  #keysOf(id: TableId): readonly TableKeys[] {
    return spreadOf(id) ? partitionsOf(id).map((partition) => this.keys.tablePart(id, partition)) : [this.keys.table(id)]
  }

  /** Rows that have values and no place among the keys. */
  async *#rowsOutOfOrder(index: string, rows: string): AsyncGenerator<Buffer, void, void> {
    for (let cursor = '0', isFirst = true; isFirst || cursor !== '0'; isFirst = false) {
      const [next, found] = await this.link.command((client) => client.hscanBuffer(rows, cursor, 'COUNT', 512))
      cursor = next.toString()
      for (let i = 0; i < found.length; i += 2) {
        const key = found[i]!
        if (!found[i + 1]!.includes(' ') || (await this.#hasPlace(index, key))) continue
        const now = await this.link.command((client) => client.hget(rows, key))
        if (now?.includes(' ') && !(await this.#hasPlace(index, key))) yield key
      }
    }
  }

  async #hasPlace(index: string, key: Buffer): Promise<boolean> {
    return (await this.link.command((client) => client.zscore(index, key))) !== null
  }
}
