/** Values that stayed on the hosts whose tasks made them, for as long as anything in the program may ask for them. */
import type { Carried } from '../engines/messages.js'
import type { Loop } from './loop.js'
import type { TaskRecord } from './task-record.js'

export type Kept = Extract<Carried, { readonly k: 'r' }>

/** What a run needs of the hosts for them. */
export interface ValueHosts {
  fetch(value: Carried): Promise<Carried>
  release(name: string): void
}

interface Holding {
  readonly name: string
  /** The scheduler's name, where it knows the value. */
  readonly datum: number | undefined
}

export const isKept = (value: Carried): value is Kept => typeof value === 'object' && value !== null && value.k === 'r'

export class KeptValues {
  readonly #registry = new FinalizationRegistry<Holding>(({ name, datum }) => {
    this.hosts.release(name)
    if (datum !== undefined) this.loop.note({ on: 'DataReleased', data: [datum] })
  })

  constructor(
    readonly hosts: ValueHosts,
    readonly loop: Loop,
  ) {}

  /** The result of a task stays where it is: tasks that take it go there. */
  noteResult(record: TaskRecord, value: Kept): void {
    this.#registry.register(value, { name: value.n, datum: record.datum })
    this.loop.note({ on: 'LocationsLearned', data: [record.datum], hosts: [value.h], bytes: [value.s] })
  }

  noteWritten(value: Kept): void {
    this.#registry.register(value, { name: value.n, datum: undefined })
  }
}
