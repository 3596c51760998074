/** Values that stayed on the hosts whose tasks made them, for as long as anything in the program may ask for them. */
import type { Carried } from '../engines/messages.js'
import type { FetchData } from '../scheduler/commands.js'
import type { Loop } from './loop.js'
import type { TaskRecord } from './task-record.js'

export type Kept = Extract<Carried, { readonly k: 'r' }>

/** What a run needs of the hosts for them. */
export interface ValueHosts {
  fetch(value: Carried): Promise<Carried>
  release(name: string): void
  /** Has a host fetch a value of another one; whether it has it then. */
  bring(host: number, value: Kept): Promise<boolean>
  /** From now on `lost` is told of hosts whose values are gone. */
  onLost(lost: (host: number) => void): void
}

interface Holding {
  readonly name: string
  readonly host: number
  /** The scheduler's name, where it knows the value. */
  readonly datum: number | undefined
  isLost: boolean
  readonly value: WeakRef<Kept>
  /** Hosts that have fetched it ahead of a task. */
  readonly copies: Set<number>
}

export const isKept = (value: Carried): value is Kept => typeof value === 'object' && value !== null && value.k === 'r'

export class KeptValues {
  readonly #held = new Map<string, Holding>()
  readonly #byDatum = new Map<number, Holding>()
  readonly #registry = new FinalizationRegistry<Holding>(({ name, datum }) => {
    this.#held.delete(name)
    if (datum !== undefined) this.#byDatum.delete(datum)
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
    const holding: Holding = { name: value.n, host: value.h, datum, isLost: false, value: new WeakRef(value), copies: new Set() }
    this.#held.set(value.n, holding)
    if (datum !== undefined) this.#byDatum.set(datum, holding)
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
    for (const holding of this.#held.values()) {
      if (holding.host === host) this.noteLost(holding.name)
      if (holding.copies.delete(host)) this.loop.note({ on: 'LocationsLearned', data: [holding.datum!], hosts: [host], bytes: [0] })
    }
  }

  /** Tasks that take these are going to run on a host. Only values of tasks can come ahead: objects are read when they are used. */
  bring({ host, data }: FetchData): void {
    for (const datum of data) {
      const holding = this.#byDatum.get(datum)
      const value = holding?.isLost ? undefined : holding?.value.deref()
      if (!value) this.loop.note({ on: 'FetchesEnded', host, data: [datum] })
      else void this.hosts.bring(host, value).then((isHere) => this.#brought(holding!, host, isHere && value.s))
    }
  }

  #brought(holding: Holding, host: number, bytes: number | false): void {
    const data = [holding.datum!]
    if (bytes !== false) {
      holding.copies.add(host)
      this.loop.note({ on: 'LocationsLearned', data, hosts: [host], bytes: [bytes] })
    }
    this.loop.note({ on: 'FetchesEnded', host, data })
    this.loop.turn()
  }
}
