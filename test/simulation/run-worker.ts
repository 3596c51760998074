/** Hosts with their values, and workers that run attempts on them: as processes that may die or freeze between any two steps. */
import { AliasTakenError, ConflictError, UnavailableError, UnknownOutcomeError } from '../../src/errors.js'
import type { ClusterRun } from './cluster-run.js'
import { Draft, readObjects } from './programs.js'
import { mix, type RunTask, writes } from './run-program.js'
import { Client } from './world.js'

/** What a task is sent with: values that ride along, and hosts that hold the others. */
export interface Start {
  readonly task: number
  readonly attempt: number
  readonly values: ReadonlyMap<number, number>
  readonly held: ReadonlyMap<number, Held>
}

/**
 * A value that is kept by hosts. Each execution names its own: one that goes on after it was given up may have read what later tasks
 * wrote, and must not take the place of what its task is known to have given.
 */
export interface Held {
  readonly name: string
  readonly holders: readonly number[]
}

export type Ended =
  | { readonly how: 'finished'; readonly value: number; readonly stamps?: readonly string[] }
  | { readonly how: 'failed'; readonly retryable: boolean }
  | { readonly how: 'conflicted' }
  | { readonly how: 'lost'; readonly read: number | undefined }

/** The process that keeps the values of a host. */
export class RunHost {
  readonly client: Client
  readonly values = new Map<string, number>()
  /** What came from other hosts. */
  readonly moved = new Set<string>()
  /** Each value comes once, however many ask for it. */
  readonly #coming = new Map<string, Promise<boolean>>()

  constructor(
    readonly run: ClusterRun,
    readonly index: number,
  ) {
    this.client = new Client(run.world, `host ${index}`)
  }

  get isAlive(): boolean {
    return this.client.caller.alive
  }

  /** True once the value is here; false if none of the holders has it. */
  fetch(held: Held): Promise<boolean> {
    const { name } = held
    if (this.values.has(name)) return Promise.resolve(true)
    let coming = this.#coming.get(name)
    if (coming === undefined) {
      coming = this.#bring(held).finally(() => this.#coming.delete(name))
      this.#coming.set(name, coming)
    }
    return coming
  }

  async #bring({ name, holders }: Held): Promise<boolean> {
    for (const holder of holders) {
      if (holder === this.index) continue
      await this.run.hop(this.client.caller)
      const from = this.run.hosts[holder]!
      const value = from.isAlive ? from.values.get(name) : undefined
      if (value === undefined) continue
      await this.run.hop(this.client.caller)
      this.run.onMoved(name, this)
      this.values.set(name, value)
      return true
    }
    return false
  }
}

export class RunWorker {
  readonly client: Client
  readonly #queue: Start[] = []
  #active = 0

  constructor(
    readonly run: ClusterRun,
    readonly index: number,
    readonly slots: number,
    readonly host: RunHost,
  ) {
    this.client = new Client(run.world, `worker ${index}`)
  }

  take(start: Start): void {
    this.#queue.push(start)
    this.#next()
  }

  /** Gives back what has not begun. */
  recall(task: number, attempt: number): boolean {
    const at = this.#queue.findIndex((s) => s.task === task && s.attempt === attempt)
    if (at >= 0) this.#queue.splice(at, 1)
    return at >= 0
  }

  #next(): void {
    while (this.#active < this.slots && this.#queue.length > 0) {
      const start = this.#queue.shift()!
      this.#active++
      const over = (ended: Ended): void => {
        this.#active--
        this.run.report(this, start, ended)
        this.#next()
      }
      this.#attempt(start).then(over, (error: Error) => this.run.world.truth.fault(`task ${start.task} broke: ${error.stack}`))
    }
  }

  async #attempt(start: Start): Promise<Ended> {
    const task = this.run.taskAt(start.task)
    const inputs: number[] = []
    for (const read of task.reads) {
      const value = await this.#input(start, read)
      if (value === undefined) return await this.#withoutInput(start, task, read)
      inputs.push(value)
    }
    await this.run.world.network.sleep(this.client.caller, task.ms)
    if (task.isIgnored) return { how: 'failed', retryable: false }
    if (start.attempt <= task.failures) return { how: 'failed', retryable: true }
    return await this.#body(start, task, inputs)
  }

  async #input({ values, held }: Start, read: number): Promise<number | undefined> {
    const known = values.get(read)
    if (known !== undefined) return known
    const { name, holders } = held.get(read)!
    if (!(await this.host.fetch({ name, holders }))) return undefined
    const value = this.host.values.get(name)
    if (value === undefined) this.run.world.truth.fault(`task ${read}'s value was taken away while it was needed`)
    return value
  }

  /** An earlier attempt may have committed before the input was lost: then its outcome stands. */
  async #withoutInput(start: Start, task: RunTask, read: number): Promise<Ended> {
    const lost: Ended = { how: 'lost', read }
    if (!writes(task)) return lost
    const [mark] = await this.#until(() => this.client.backendOf(this.run.homeOf(task)).marks(this.run.homeOf(task), [keyOf(start.task)]))
    return mark?.state === 'committed' ? { how: 'finished', value: numberOf(mark.outcome) } : lost
  }

  async #body(start: Start, task: RunTask, inputs: readonly number[]): Promise<Ended> {
    const refs = this.run.accountsOf(task)
    const found = await this.#until(() => readObjects(this.client, refs))
    const seen = task.own.map((_, i) => found[i]!.cells.get('n') as number)
    const stamps = found.map((stored) => stored!.stamp.commit)
    // What it read has been written since: the value that was lost cannot be made again.
    if (task.again?.stamps.some((stamp, i) => stamp !== stamps[i])) return { how: 'lost', read: undefined }
    const value = mix([task.again?.of ?? start.task, ...inputs, ...seen])
    if (!writes(task)) return { how: 'finished', value, stamps }
    const draft = new Draft(this.client, this.run.world.newCommitId())
    for (const [i, stored] of found.entries()) (task.own[i]?.isWritten ?? true) ? draft.put(stored!) : draft.check(stored!)
    const home = this.run.homeOf(task)
    draft.home = { backend: this.client.backendOf(home), ref: home }
    if (this.run.variant.marks !== false)
      draft.mark = { key: keyOf(start.task), attempt: draft.commit, state: 'committed', outcome: outcomeOf(value) }
    return await this.#commit(draft, value)
  }

  /** Sends the group until its outcome is known. */
  async #commit(draft: Draft, value: number): Promise<Ended> {
    const { unit } = draft
    const { truth, protocol, network } = this.run.world
    truth.plan({ unit, seen: draft.seen, delta: draft.delta })
    for (;;) {
      try {
        const receipt = await protocol.commitUnit(unit, this.client.options)
        truth.onReceipt(unit, receipt)
        if (receipt.mark?.state === 'aborted') return { how: 'failed', retryable: false }
        return { how: 'finished', value: receipt.applied ? value : numberOf(receipt.mark!.outcome) }
      } catch (error) {
        if (error instanceof ConflictError || error instanceof AliasTakenError) {
          truth.onFailed(unit.commit)
          return { how: 'conflicted' }
        }
        if (!(error instanceof UnavailableError || error instanceof UnknownOutcomeError)) throw error
        await network.sleep(this.client.caller, 20)
      }
    }
  }

  /** Reads again until the store answers. */
  async #until<T>(read: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await read()
      } catch (error) {
        if (!(error instanceof UnavailableError || error instanceof UnknownOutcomeError)) throw error
        await this.run.world.network.sleep(this.client.caller, 20)
      }
    }
  }
}

const outcomeOf = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer)
export const numberOf = (outcome: Uint8Array | null): number => new Uint32Array(Uint8Array.from(outcome!).buffer)[0]!

export const keyOf = (task: number): string => `run/${task}`
