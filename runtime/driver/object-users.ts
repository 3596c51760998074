import type { TaskRecord } from './task-record.js'

const TIDY_MIN = 64

/** Which tasks use an object. By number, since a record would hold what its task made for as long as the run goes on. */
export class ObjectUsers {
  readonly #byDatum = new Map<number, { tasks: number[]; tidyAt: number }>()

  /** `live`: the record of a task that is not over, or whose failure nobody has seen. */
  constructor(readonly live: (task: number) => TaskRecord | undefined) {}

  /** A task that is about to get its record uses an object. */
  add(datum: number, task: number): void {
    const users = this.#byDatum.get(datum) ?? { tasks: [], tidyAt: TIDY_MIN }
    this.#byDatum.set(datum, users)
    users.tasks.push(task)
    if (users.tasks.length < users.tidyAt) return
    users.tasks = users.tasks.filter((one) => one === task || this.live(one) !== undefined)
    users.tidyAt = Math.max(TIDY_MIN, users.tasks.length * 2)
  }

  /** Those that are not over, or whose failure nobody has seen. */
  of(datum: number): readonly TaskRecord[] {
    return this.#byDatum.get(datum)?.tasks.flatMap((task) => this.live(task) ?? []) ?? []
  }
}
