/** Values that stayed on the hosts whose tasks made them, for as long as anything in the program may ask for them. */
import type { Carried } from '../engines/messages.js'
import type { Loop } from './loop.js'
import type { TaskRecord } from './task-record.js'

export type Kept = Extract<Carried, { readonly k: 'r' }>

/** What a run needs of the hosts for them. */
export interface ValueHosts {
  fetch(value: Carried): Promise<Carried>
  release(name: string): void
  /** From now on `lost` is told of hosts whose values are gone. */
  onLost(lost: (host: number) => void): void
}

interface Holding {
  readonly name: string
  readonly host: number
  /** The scheduler's name, where it knows the value. */
  readonly datum: number | undefined
  isLost: boolean
}

export const isKept = (value: Carried): value is Kept => typeof value === 'object' && value !== null && value.k === 'r'

export class KeptValues {
  readonly #held = new Map<string, Holding>()
  readonly #registry = new FinalizationRegistry<Holding>(({ name, datum }) => {
    this.#held.delete(name)
    this.hosts.release(name)
    if (datum !== undefined) this.loop.note({ on: 'DataReleased', data: [datum] })
  })

  constructor(
    readonly hosts: ValueHosts,
    readonly loop: Loop,
  ) {
    hosts.onLost((host) => this.#lostWith(host))
  }

  /** The result of a task stays where it is: tasks that take it go there. */
  noteResult(record: TaskRecord, value: Kept): void {
    this.#note(value, record.datum)
    this.loop.note({ on: 'LocationsLearned', data: [record.datum], hosts: [value.h], bytes: [value.s] })
  }

  noteWritten(value: Kept): void {
    this.#note(value, undefined)
  }

  #note(value: Kept, datum: number | undefined): void {
    const holding: Holding = { name: value.n, host: value.h, datum, isLost: false }
    this.#held.set(value.n, holding)
    this.#registry.register(value, holding)
  }

  /** Whether it is known to be gone. */
  isLost({ n }: Kept): boolean {
    return this.#held.get(n)?.isLost ?? false
  }

  noteLost(name: string): void {
    const holding = this.#held.get(name)
    if (!holding || holding.isLost) return
    holding.isLost = true
    if (holding.datum !== undefined) this.loop.note({ on: 'LocationsLearned', data: [holding.datum], hosts: [holding.host], bytes: [0] })
  }

  #lostWith(host: number): void {
    for (const holding of this.#held.values()) if (holding.host === host) this.noteLost(holding.name)
  }
}
