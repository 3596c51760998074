import type { Op, Receipt, Table } from '../backend.js'
import type { CommitId } from '../ids.js'
import type { Departure } from './departures.js'
import type { ObjectPlan, Plan, TablePlan } from './persist-plan.js'
import { tableMade } from './table-binding.js'
import type { TakenRows } from './taken-rows.js'

/** Whose objects and collections leave. */
export interface Sender {
  stored(object: ObjectPlan, receipt: Receipt): void
  /** A new object whose group failed after it was sent: it may be in the store all the same, where nobody can reach it. */
  orphaned(object: ObjectPlan, commit: CommitId): void
  notMade(table: TablePlan): void
}

/** Planned objects, with their new collections and buffered rows, on their way. Until it ends, whoever plans one of them waits. */
export class PlanDeparture implements Departure {
  readonly #sender: Sender
  readonly #plan: Plan
  readonly #rows: TakenRows

  constructor(
    sender: Sender,
    plan: Plan,
    rows: TakenRows,
    readonly ops: readonly Op[],
  ) {
    this.#sender = sender
    this.#plan = plan
    this.#rows = rows
  }

  get tables(): readonly Table[] {
    return this.#plan.tables.length === 0 ? NO_TABLES : this.#plan.tables.map(({ table }) => table)
  }

  /** `until`: when it is known what became of it. */
  begin(until: Promise<unknown>): void {
    for (const { state } of this.#plan.objects) state.busy = until
  }

  landed(receipt: Receipt, atMicros: bigint): void {
    for (const { dict } of this.#plan.tables) tableMade(dict)
    for (const object of this.#plan.objects) this.#sender.stored(object, receipt)
    this.#rows.landed(atMicros)
  }

  failed(commit: CommitId | undefined): void {
    this.#rows.failed()
    for (const object of this.#plan.objects) if (commit && object.expect === 'absent') this.#sender.orphaned(object, commit)
    for (const table of this.#plan.tables) this.#sender.notMade(table)
  }

  ended(): void {
    for (const { state } of this.#plan.objects) state.busy = undefined
  }
}

const NO_TABLES: readonly Table[] = []
