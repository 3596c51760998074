import type { Id, TableId } from '../ids.js'
import { isIdle, type TableRows } from './table-rows.js'

/** So few that going through them costs nothing. */
const SWEEP_FROM = 1024

/**
 * What a unit of work has buffered, by table and by owner: a program that runs for long writes to more dicts than it can go through at each
 * save, or remember.
 */
export class BufferedRows {
  readonly #byTable = new Map<TableId, TableRows>()
  readonly #byOwner = new Map<Id, Set<TableRows>>()
  #sweepAt: number

  /** `forgets`: buffers in which nothing is left are dropped now and then. What a transaction has read is part of it. */
  constructor(forgets: boolean) {
    this.#sweepAt = forgets ? SWEEP_FROM : Number.POSITIVE_INFINITY
  }

  get size(): number {
    return this.#byTable.size
  }

  get(table: TableId): TableRows | undefined {
    return this.#byTable.get(table)
  }

  values(): Iterable<TableRows> {
    return this.#byTable.values()
  }

  ofOwner(owner: Id): Iterable<TableRows> {
    return this.#byOwner.get(owner) ?? []
  }

  add(rows: TableRows): void {
    if (this.#byTable.size >= this.#sweepAt) this.#sweep()
    const { id, owner } = rows.table
    this.#byTable.set(id, rows)
    const its = this.#byOwner.get(owner.id)
    if (its) its.add(rows)
    else this.#byOwner.set(owner.id, new Set([rows]))
  }

  delete(table: TableId): void {
    const rows = this.#byTable.get(table)
    if (!rows) return
    this.#byTable.delete(table)
    const { id } = rows.table.owner
    const its = this.#byOwner.get(id)
    its?.delete(rows)
    if (its?.size === 0) this.#byOwner.delete(id)
  }

  clear(): void {
    this.#byTable.clear()
    this.#byOwner.clear()
  }

  /** Whoever is reading beside one that is dropped sees that its buffer is another by now, and reads again. */
  #sweep(): void {
    for (const rows of [...this.#byTable.values()]) if (isIdle(rows)) this.delete(rows.table.id)
    this.#sweepAt = Math.max(SWEEP_FROM, this.#byTable.size * 2)
  }
}
