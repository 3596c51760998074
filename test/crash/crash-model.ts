/** Classes and tasks of the killed programs: a module of its own, so that worker threads can import it. */
import { INOUT, StorageDict, StorageObject, TaskContext, t, task } from '../../runtime/index.js'

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

/** As a tally, without rows: steps of several commit together. */
export class Score extends StorageObject {
  n = 0
  seen: number[] = []
}

export const score = task(
  (one: Score, step: number) => {
    one.n += 1
    one.seen.push(step)
    return step
  },
  { args: [INOUT] },
)

/** A step in three ways that must agree. */
function add(tally: Tally, step: number): number {
  tally.n += 1
  tally.seen.push(step)
  tally.rows.add({ name: 'steps' }, 'count', 1)
  return step
}

export const count = task(add, { args: [INOUT] })

/** The same step at two places, as one unit of work. */
export const countTwice = task(
  (one: Tally, other: Tally, step: number) => {
    add(one, step)
    return add(other, step)
  },
  { args: [INOUT, INOUT] },
)

/** The first attempt takes its worker along, while its group is on its way. */
export const countAndLeave = task(
  (tally: Tally, step: number) => {
    if (TaskContext.current?.number === 1) setImmediate(() => setImmediate(() => process.exit(1)))
    return add(tally, step)
  },
  { args: [INOUT] },
)
