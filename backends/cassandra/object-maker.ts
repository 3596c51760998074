/**
 * New objects. Nobody can reach one before the end of its unit of work, so that it needs no compare-and-set; those that are made at one time
 * travel together. However many there are, few are made ready at one time: what waits is no more than its group.
 */
import type { Group, Op, Receipt } from '../../src/backend.js'
import { madeAtMs, uuidBytes } from '../../src/ids.js'
import type { CassandraLink, Param } from './cassandra-link.js'
import type { ChunkStore } from './chunk-store.js'
import { type ClassTable, ID } from './class-tables.js'
import { quoted } from './identifiers.js'
import type { NameIndex } from './name-index.js'
import { columnsOf, type ObjectColumns } from './object-columns.js'
import type { Errand, PartitionWriter, Writes } from './partition-writer.js'
import { PART } from './places.js'

export type Put = Extract<Op, { do: 'put' }>

/** An object is written with a time this long ago. */
export const HEAD_START_MS = 86_400_000
const SHARES_AT_ONCE = 48

interface Wanted {
  readonly group: Group
  readonly put: Put
  readonly table: ClassTable
  readonly resolve: (receipt: Receipt) => void
  readonly reject: (error: unknown) => void
}

export class ObjectMaker {
  #waiting: Wanted[] = []
  /** Of those that waited, what travels together. */
  #shares: readonly (readonly Wanted[])[] = []
  #next = 0
  #underWay = 0
  /** By table, the last one. */
  readonly #insertTexts = new Map<string, { readonly names: readonly string[]; readonly text: string }>()

  constructor(
    readonly link: CassandraLink,
    readonly chunks: ChunkStore,
    readonly names: NameIndex,
    readonly writer: PartitionWriter,
    readonly largeClasses: Set<string>,
  ) {}

  make(group: Group, put: Put, table: ClassTable): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ group, put, table, resolve, reject })
      if (this.#waiting.length === 1) setImmediate(() => this.#begin())
    })
  }

  /** As much as may be under way. What comes while shares wait is shared out after them. */
  #begin(): void {
    while (this.#underWay < SHARES_AT_ONCE) {
      const share = this.#shares[this.#next++] ?? this.#shareOut()
      if (!share) return
      this.#underWay++
      this.#send(share)
        .catch(() => {}) // told to each
        .finally(() => {
          this.#underWay--
          this.#begin()
        })
    }
  }

  #shareOut(): readonly Wanted[] | undefined {
    const waiting = this.#waiting
    this.#waiting = []
    this.#shares = []
    try {
      this.#shares = this.writer.sharesOf(waiting, ({ put }) => Buffer.from(uuidBytes(put.ref.id)))
    } catch (error) {
      for (const { reject } of waiting) reject(error) // nobody else would hear of it
    }
    this.#next = 1
    return this.#shares[0]
  }

  async #send(share: readonly Wanted[]): Promise<void> {
    const errands: Errand[] = []
    for (const wanted of share)
      try {
        errands.push(errandOf(wanted, await this.#writesOf(wanted)))
      } catch (error) {
        wanted.reject(error)
      }
    await this.writer.sendShare(errands)
  }

  /** Only those with large cells have to be waited for. */
  #writesOf({ group, put, table }: Wanted): Writes | Promise<Writes> {
    const columns = columnsOf(this.link.driver, this.chunks, table.kinds, put.set)
    return columns instanceof Promise
      ? columns.then((made) => this.#writes(group, put, table, made))
      : this.#writes(group, put, table, columns)
  }

  /**
   * What others write to the object later carries the servers' time, and must not lose against this, whatever the clock here says: so this
   * carries yesterday's. It must not lose against the removal of an object that had the id before; so removed ones leave a grave for two
   * days, by which they are told. Sent again it has the same time, and changes nothing.
   */
  #writes({ commit }: Group, { ref }: Put, table: ClassTable, { columns, rest, hasLarge }: ObjectColumns): Writes {
    if (hasLarge) this.largeClasses.add(table.classId)
    const { Uuid } = this.link.driver.types
    const [id, made] = [Uuid.fromString(ref.id), Uuid.fromString(commit)]
    const names = [...OWN_COLUMNS]
    const params: Param[] = [id, PART.anchor, 1, made, made, made]
    for (const [name, value] of columns)
      if (value !== null) {
        names.push(name)
        params.push(value)
      }
    if (rest.length > 0) {
      names.push('~rest')
      params.push(new Map(rest))
    }
    params.push(BigInt(madeAtMs(commit) - HEAD_START_MS) * 1000n)
    const insert = { query: this.#insertText(table, names), params }
    // Two tables, but one key: to the servers they are one partition. The note first, should they be too much for one request.
    return { partition: ref.id, key: () => id.getBuffer(), statements: [this.names.noted(id, table.classId), insert] }
  }

  /** One text for objects of a class that have the same columns: the driver looks for the statement under it. */
  #insertText({ table }: ClassTable, names: readonly string[]): string {
    const known = this.#insertTexts.get(table)
    if (known?.names.length === names.length && known.names.every((name, i) => name === names[i])) return known.text
    const marks = names.map(() => '?').join(', ')
    const text = `INSERT INTO ${this.link.table(table)} (${names.map(quoted).join(', ')}) VALUES (${marks}) USING TIMESTAMP ?`
    this.#insertTexts.set(table, { names, text })
    return text
  }
}

const OWN_COLUMNS = [ID, '~part', '~revision', '~commit', '~made', '~version']

const errandOf = ({ group, put, resolve, reject }: Wanted, writes: Writes): Errand => ({
  ...writes,
  resolve: () => resolve({ applied: true, stamps: new Map([[put.ref.id, { revision: 1, commit: group.commit }]]) }),
  reject,
})
