import { Access, Flag, Kind, NONE, Policy } from '../scheduler/constants.js'
import type { DataDeclared, RuntimeEvent } from '../scheduler/events.js'
import { ANY_HOST, type Need } from '../scheduler/needs.js'
import { neededBy, type TaskNeeds } from '../tasks/needs.js'
import type { TaskDefinition } from '../tasks/task.js'
import { IntList } from './int-list.js'

/** Being counted up: one object for a run of declarations. */
type Declared = { -readonly [K in keyof DataDeclared]: DataDeclared[K] }

/** Calls on their way into the graph, as the columns that `step` takes. Numbers tasks and data. */
export class Submissions {
  #declared: Declared[] = []
  #first = 0
  #count = 0
  #nextDatum = 0
  readonly #fn = new IntList()
  readonly #policy = new IntList()
  readonly #priority = new IntList()
  readonly #flags = new IntList()
  readonly #need = new IntList()
  readonly #accesses = new IntList()
  /** Kinds of needs that were told to the scheduler, and those that are still to be. */
  readonly #kinds = new Map<string, number>()
  #newKinds: Need[] = []
  #host: number[] = []
  #isPinned = false
  /** Left out while nobody waits for any. */
  #promises: number[] | undefined
  #located = noLocations()

  /** The number of the next task. */
  get next(): number {
    return this.#first + this.#count
  }

  get isEmpty(): boolean {
    return this.#count === 0 && this.#declared.length === 0 && this.#located.data.length === 0
  }

  declare(kind: typeof Kind.KEPT | typeof Kind.RENAMED): number {
    const datum = this.#nextDatum++
    const last = this.#declared[this.#declared.length - 1]
    if (last?.kind === kind) last.count++
    else this.#declared.push({ on: 'DataDeclared', first: datum, count: 1, kind, holds: kind === Kind.RENAMED ? 1 : 0 })
    return datum
  }

  /** A host holds so much of a datum. */
  locate(datum: number, host: number, bytes: number): void {
    this.#located.data.push(datum)
    this.#located.hosts.push(host)
    this.#located.bytes.push(bytes)
  }

  /** An access of the call that is being captured. */
  access(datum: number, access: number): void {
    this.#accesses.push(this.next)
    this.#accesses.push(datum)
    this.#accesses.push(access)
  }

  /** Where to `cutTo` if the capture fails. */
  get accesses(): number {
    return this.#accesses.length
  }

  abandon(accesses: number): void {
    this.#accesses.cutTo(accesses)
  }

  /** Ends a capture. Gives the datum of the result. `host`: the only one that may run it; `promises`: what comes later. */
  add(definition: TaskDefinition, host: number = NONE, flags = 0, promises = 0): number {
    const datum = this.declare(Kind.RENAMED)
    this.access(datum, Access.WRITE)
    this.#fn.push(definition.index)
    this.#policy.push(Policy[definition.policy])
    this.#priority.push(definition.options.priority ?? 0)
    this.#flags.push(flags | (definition.options.timeoutMs === undefined ? 0 : Flag.ALONE))
    this.#need.push(definition.options.needs === undefined ? 0 : this.#kindOf(definition.options.needs))
    if (host !== NONE) this.#pin(host)
    else if (this.#isPinned) this.#host.push(NONE)
    if (promises > 0) this.#promises ??= Array.from({ length: this.#count }, () => 0)
    this.#promises?.push(promises)
    this.#count++
    return datum
  }

  #kindOf(needs: TaskNeeds): number {
    const need = neededBy(needs)
    if (need === ANY_HOST) return 0
    const key = JSON.stringify([need.units, need.memoryMb, [...need.labels].sort()])
    let kind = this.#kinds.get(key)
    if (kind === undefined) {
      this.#kinds.set(key, (kind = this.#kinds.size + 1))
      this.#newKinds.push(need)
    }
    return kind
  }

  #pin(host: number): void {
    // The column is left out while nobody needs it.
    if (!this.#isPinned) this.#host = Array.from({ length: this.#count }, () => NONE)
    this.#isPinned = true
    this.#host.push(host)
  }

  /** As events, in order; none are left afterwards. */
  take(): readonly RuntimeEvent[] {
    const events: RuntimeEvent[] = this.#declared
    this.#declared = []
    if (this.#newKinds.length > 0)
      events.push({ on: 'NeedsDeclared', first: this.#kinds.size + 1 - this.#newKinds.length, needs: this.#newKinds })
    this.#newKinds = []
    if (this.#located.data.length > 0) {
      events.push({ on: 'LocationsLearned', ...this.#located })
      this.#located = noLocations()
    }
    if (this.#count > 0) {
      events.push({
        on: 'TasksSubmitted',
        first: this.#first,
        count: this.#count,
        fn: this.#fn.take(),
        policy: this.#policy.take(),
        priority: this.#priority.take(),
        flags: this.#flags.take(),
        need: this.#need.take(),
        accesses: this.#accesses.take(),
        ...(this.#isPinned && { host: this.#host }),
        ...(this.#promises && { promises: this.#promises }),
      })
      this.#isPinned = false
      this.#promises = undefined
      this.#first += this.#count
      this.#count = 0
    }
    return events
  }
}

const noLocations = (): { data: number[]; hosts: number[]; bytes: number[] } => ({ data: [], hosts: [], bytes: [] })
