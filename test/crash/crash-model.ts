/** Classes and tasks of the killed programs: a module of its own, so that worker threads can import it. */
import { INOUT, StorageDict, StorageObject, t, task } from '../../runtime/index.js'

export class Ledger extends StorageObject {
  n = 0
  text = ''
  twin: Ledger | null = null
  rows = new StorageDict({ kind: t.text, n: t.i64 }, { value: t.i64.optional(), count: t.counter }, { partition: ['kind'] })
}

export class Note extends StorageObject {
  n = 0
}

export class Tally extends StorageObject {
  n = 0
  seen: number[] = []
  rows = new StorageDict({ name: t.text }, { count: t.counter })
}

/** Counts a step in three ways that must agree. */
export const count = task(
  (tally: Tally, step: number) => {
    tally.n += 1
    tally.seen.push(step)
    tally.rows.add({ name: 'steps' }, 'count', 1)
    return step
  },
  { args: [INOUT] },
)
