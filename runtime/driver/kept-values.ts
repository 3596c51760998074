/** Values that stayed on the hosts whose tasks made them, for as long as anything in the program may ask for them. */
import type { Carried } from '../engines/messages.js'
import type { FetchData } from '../scheduler/commands.js'
import type { Loop } from './loop.js'
import type { TaskRecord } from './task-record.js'

export type Kept = Extract<Carried, { readonly k: 'r' }>

/** What a run needs of the hosts for them. */
export interface ValueHosts {
  readonly count: number
  fetch(value: Carried): Promise<Carried>
  release(name: string): void
  /** Has a host fetch a value of another one; whether it has it then. */
  bring(host: number, value: Kept): Promise<boolean>
  /** From now on `lost` is told of hosts whose values are gone. */
  onLost(lost: (host: number) => void): void
}

export interface Holding {
  readonly name: string
  /** Where it is asked for. */
  host: number
  /** The scheduler's name, where it knows the value. */
  readonly datum: number | undefined
  isLost: boolean
  readonly value: WeakRef<Kept>
  /** Further hosts that have it. */
  readonly copies: Set<number>
  /** Whether it was tried to give it a second place. */
  isCopied: boolean
  /** The objects that it was made of. */
  inputs: readonly string[]
}

export const isKept = (value: Carried): value is Kept => typeof value === 'object' && value !== null && value.k === 'r'

export class KeptValues {
  readonly #held = new Map<string, Holding>()
  readonly #byDatum = new Map<number, Holding>()
  /** Told what nobody can ask for any more, and what is gone from everywhere. */
  onGone: (holding: Holding) => void = () => {}
  readonly #registry = new FinalizationRegistry<Holding>((holding) => {
    const { name, datum } = holding
    this.onGone(holding)
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
    const holding: Holding = {
      name: value.n,
      host: value.h,
      datum,
      isLost: false,
      value: new WeakRef(value),
      copies: new Set(),
      isCopied: false,
      inputs: [],
    }
    this.#held.set(value.n, holding)
    if (datum !== undefined) this.#byDatum.set(datum, holding)
    this.#registry.register(value, holding)
  }

  /** Whether it is known to be gone. */
  isLost({ n }: Kept): boolean {
    return this.#held.get(n)?.isLost ?? false
  }

  holdingOf({ n }: Kept): Holding | undefined {
    return this.#held.get(n)
  }

  /** A value was asked of a host, which does not have it. Whether it is lost; else another host has it, and whoever needs it asks again. */
  noteLost(name: string, host: number): boolean {
    const holding = this.#held.get(name)
    if (!holding || holding.isLost) return true
    if (holding.host !== host) return false
    this.#isNotAt(host, holding)
    const [next] = holding.copies
    const value = holding.value.deref()
    if (next === undefined || !value) {
      holding.isLost = true
      this.onGone(holding)
      return true
    }
    holding.copies.delete(next)
    holding.isCopied = false
    holding.host = next
    value.h = next
    return false
  }

  #lostWith(host: number): void {
    for (const holding of this.#held.values()) {
      if (holding.copies.delete(host)) this.#isNotAt(host, holding)
      if (holding.host === host) this.noteLost(holding.name, host)
    }
  }

  #isNotAt(host: number, { datum }: Holding): void {
    if (datum !== undefined) this.loop.note({ on: 'LocationsLearned', data: [datum], hosts: [host], bytes: [0] })
  }

  /** Has another host fetch a value; resolves when it has it, or could not get it. */
  async copy(holding: Holding): Promise<void> {
    const value = holding.value.deref()
    const { count } = this.hosts
    if (!value || count < 2) return
    holding.isCopied = true
    const host = (holding.host + 1) % count
    if (await this.hosts.bring(host, value)) this.#isAt(host, holding, value.s)
  }

  #isAt(host: number, holding: Holding, bytes: number): void {
    holding.copies.add(host)
    if (holding.datum !== undefined) this.loop.note({ on: 'LocationsLearned', data: [holding.datum], hosts: [host], bytes: [bytes] })
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
    if (bytes !== false) this.#isAt(host, holding, bytes)
    this.loop.note({ on: 'FetchesEnded', host, data: [holding.datum!] })
    this.loop.turn()
  }
}
