/** Definitions of tables, which change only by gaining columns, and the parts of those that are spread, which are made when first written. */
import type { Table } from '../../src/backend.js'
import { joinColumns } from '../../src/dict/table-columns.js'
import { InsituError, UnsupportedError } from '../../src/errors.js'
import { failPoint } from '../../src/fail-point.js'
import type { TableId } from '../../src/ids.js'
import type { TablePart } from './op-partition.js'
import { type Partition, partitionOfId, type RedisKeys, type TableKeys } from './redis-keys.js'
import type { Argument, RedisLink, Reply } from './redis-link.js'
import { jsonOfTable, type KnownTable, knownTable, missingTable, tagOf } from './redis-rows.js'
import type { ScriptName } from './scripts.js'
import { partitionsOf, spreadOf } from './spread.js'

export class TableKeeper {
  readonly #known = new Map<TableId, KnownTable>()

  constructor(
    readonly link: RedisLink,
    readonly keys: RedisKeys,
    readonly domainOf: (partition: Partition) => Partition,
    readonly isCluster: boolean,
  ) {}

  async define(table: Table): Promise<void> {
    this.#requireHere(table.id)
    const json = jsonOfTable(table)
    let standing = await this.#define(table, '', json, tagOf(json))
    for (;;) {
      if (standing.json === '') standing = await this.#define(table, '', json, tagOf(json))
      const known = knownTable(table.id, standing.json, standing.born)
      const joined = joinColumns(known.table, table)
      if (joined === known.table) return void this.#keep(known)
      // First, so that no row gains a column where writers from before would not notice.
      if (spreadOf(table.id)) {
        await this.#makeAll(known, joined.values.length)
        failPoint('parts-widened')
      }
      standing = await this.#define(joined, standing.json, jsonOfTable(joined, known.digest), known.digest)
    }
  }

  /** What stands then: `next` if `before` stood; '' is nothing. */
  async #define(table: Table, before: string, next: string, tag: string): Promise<{ readonly json: string; readonly born: string }> {
    const [json, born] = await this.#call('define', table.id, [next, tag, before, table.values.length])
    return { json: String(json), born: String(born) }
  }

  /** The slots of a Cluster are no matter to a single server, whose users would have all the cost of them. */
  #requireHere(id: TableId): void {
    if (spreadOf(id) && !this.isCluster)
      throw new UnsupportedError(
        `Table ${id} is spread over the masters of a Cluster, and this is a single server: load the data into a Cluster.`,
        {
          table: id,
        },
      )
  }

  #keep(known: KnownTable): KnownTable {
    const { id } = known.table
    this.#requireHere(id)
    const before = this.#known.get(id)
    const kept = before?.tag === known.tag ? { ...known, ready: before.ready } : known
    this.#known.set(id, kept)
    return kept
  }

  /** As it stands now. */
  async table(id: TableId): Promise<KnownTable | undefined> {
    const { domain, keys } = this.#home(id)
    const [fields] = (await this.link.call({ script: 'read', domain, keys: [keys[0]], args: () => ['table', 'born'] })) as [Reply[]]
    const [json, born] = fields as (Buffer | null)[]
    if (json) return this.#keep(knownTable(id, json.toString(), born?.toString()))
    this.#known.delete(id)
    return undefined
  }

  /** As it is known here, else as it stands now. @throws NotFoundError */
  async required(id: TableId): Promise<KnownTable> {
    const known = this.#known.get(id) ?? (await this.table(id))
    if (!known) throw missingTable(id)
    return known
  }

  /** That it stands as it is known, which its parts do not tell when they are missing. @throws NotFoundError */
  async requireStanding({ table: { id }, tag }: KnownTable): Promise<void> {
    if ((await this.table(id))?.tag !== tag) throw missingTable(id)
  }

  /** It is not what was known: asked for again by the next who needs it. */
  forget(id: TableId): void {
    this.#known.delete(id)
  }

  /** The definition first: a table without one is gone, and what is left of its parts is found by `Upkeep.tables`. */
  async drop(id: TableId): Promise<void> {
    this.#known.delete(id)
    const [until] = await this.#call('drop', id, [])
    if (!spreadOf(id)) return
    failPoint('table-dropped')
    await Promise.all(partitionsOf(id).map((partition) => this.#callPart('drop', { table: id, partition }, [Number(until)])))
  }

  /** The definitions, with the parts made that are to be written: at once when all are known. @throws NotFoundError */
  require(parts: readonly TablePart[]): ReadonlyMap<TableId, KnownTable> | Promise<ReadonlyMap<TableId, KnownTable>> {
    for (const part of parts) if (!this.#isReady(part)) return this.#fetch(parts)
    return this.#known
  }

  #isReady({ table, partition }: TablePart): boolean {
    const known = this.#known.get(table)
    return known !== undefined && (spreadOf(table) === undefined || known.ready.has(partition))
  }

  async #fetch(parts: readonly TablePart[]): Promise<ReadonlyMap<TableId, KnownTable>> {
    const tables = new Map<TableId, KnownTable>()
    for (const id of new Set(parts.map(({ table }) => table))) tables.set(id, await this.required(id))
    const missing = parts.filter((part) => !this.#isReady(part))
    await Promise.all(missing.map(({ table, partition }) => this.#make(tables.get(table)!, partition, 0)))
    failPoint('part-made')
    // Whoever drops a table removes its definition before its parts: what was made before this look, he sees.
    for (const table of new Set(missing.map((part) => part.table))) await this.requireStanding(tables.get(table)!)
    for (const { table, partition } of missing) tables.get(table)!.ready.add(partition)
    return tables
  }

  #makeAll(known: KnownTable, width: number): Promise<unknown> {
    return Promise.all(partitionsOf(known.table.id).map((partition) => this.#make(known, partition, width)))
  }

  /** `width`: how many columns it has once it has gained some, else 0. */
  async #make({ table: { id }, tag }: KnownTable, partition: Partition, width: number): Promise<void> {
    const [said] = await this.#callPart('part', { table: id, partition }, [tag, tag.slice(tag.lastIndexOf('.') + 1), width])
    if (String(said) !== '') throw missingTable(id)
  }

  #call(script: ScriptName, id: TableId, args: readonly Argument[]): Promise<readonly Reply[]> {
    return this.link.call({ script, ...this.#home(id), args: () => args })
  }

  #callPart(script: ScriptName, part: TablePart, args: readonly Argument[]): Promise<readonly Reply[]> {
    const { table, partition } = part
    if (!spreadOf(table)) throw new InsituError(`Table ${table} has no parts.`, { code: 'ERR_INTERNAL' })
    return this.link.call({ script, domain: this.domainOf(partition), keys: this.keys.tablePart(table, partition), args: () => args })
  }

  #home(id: TableId): { readonly domain: Partition; readonly keys: TableKeys } {
    return { domain: this.domainOf(partitionOfId(id)), keys: this.keys.table(id) }
  }
}
