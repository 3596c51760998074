import { UnavailableError, UnknownOutcomeError } from '../../src/errors.js'
import type { Random } from './random.js'

/** Somebody who calls a store, and may die between any two steps. */
export class Caller {
  alive = true
  /** Started and not yet ended programs of this caller. */
  running = 0

  constructor(readonly name: string) {}
}

interface Flight {
  /** Whose await ends with it; nobody's when only the effect is left to happen. */
  readonly caller: Caller | undefined
  readonly land: () => void
}

interface Timer {
  readonly caller: Caller
  readonly atMs: number
  readonly wake: () => void
}

interface Pending<T> {
  readonly caller: Caller
  readonly execute: () => T
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

type Fate = 'lost' | 'slow' | 'replyLost' | 'copied' | 'unavailable' | 'well'

/** What may happen to a commit, and how often. */
const FATES: readonly (readonly [Fate, number])[] = [
  ['lost', 0.02],
  ['slow', 0.03],
  ['replyLost', 0.03],
  ['copied', 0.05],
  ['unavailable', 0.01],
]
const READ_FAILED = 0.003
const LOST_WITH_ITS_SENDER = 0.3
const JUMP = 0.015
const LATE = 0.85

/**
 * Every call of a store is a message that lands when the generator says so, or not, or twice; so is every reply. Time is virtual: it
 * moves when nothing else can happen, and by jumps at bad moments.
 */
export class Network {
  nowMs = 1_000_000
  step = 0
  /** Without faults: for recovery, when progress is to be shown. */
  calm = false
  /** How bad this schedule is: some are mild enough to get far, some hardly let anything through. */
  readonly harshness: number
  readonly #flying: Flight[] = []
  #timers: Timer[] = []

  constructor(
    readonly random: Random,
    readonly jumpMs: number,
  ) {
    this.harshness = random.pick([0.3, 1, 1, 3])
  }

  get idle(): boolean {
    return this.#flying.length === 0
  }

  /** A call that changes nothing. */
  ask<T>(caller: Caller, execute: () => T): Promise<T> {
    return this.#call(
      caller,
      (pending: Pending<T>) => {
        if (!this.calm && this.random.chance(READ_FAILED * this.harshness))
          this.#reply(pending, () => pending.reject(new UnavailableError('not reached')))
        else this.#execute(pending)
      },
      execute,
    )
  }

  /** A commit: it may be lost, late, executed without a reply, or executed again by a copy that arrives later. */
  send<T>(caller: Caller, execute: () => T): Promise<T> {
    return this.#call(caller, (pending: Pending<T>) => this.#deliver(pending), execute)
  }

  sleep(caller: Caller, ms: number): Promise<void> {
    if (!caller.alive) return new Promise(() => {})
    return new Promise((wake) => this.#timers.push({ caller, atMs: this.nowMs + Math.max(1, ms), wake }))
  }

  /** What it has sent goes on its way, or not. */
  crash(caller: Caller): void {
    caller.alive = false
    this.#timers = this.#timers.filter((timer) => timer.caller !== caller)
  }

  /** One event. False when nothing can happen any more. */
  next(): boolean {
    this.step++
    if (!this.calm && this.random.chance(JUMP * this.harshness)) this.#advance(Math.ceil(this.random.next() * this.jumpMs))
    if (this.#flying.length === 0) return this.#advanceToTimer()
    if (this.#timers.length > 0 && this.random.chance(0.1)) return this.#advanceToTimer()
    this.#takeFlight().land()
    return true
  }

  #call<T>(caller: Caller, deliver: (pending: Pending<T>) => void, execute: () => T): Promise<T> {
    if (!caller.alive) return new Promise(() => {})
    return new Promise<T>((resolve, reject) => {
      const pending = { caller, execute, resolve, reject }
      this.#fly(caller, () => deliver(pending))
    })
  }

  #deliver<T>(pending: Pending<T>): void {
    const fate = this.#fate(pending.caller)
    if (fate === 'unavailable') this.#reply(pending, () => pending.reject(new UnavailableError('not reached')))
    else if (fate === 'lost' || fate === 'slow' || fate === 'replyLost') this.#cutOff(pending, fate)
    // A copy of what failed may not come later: an error says that none is under way.
    else if (this.#execute(pending) && fate === 'copied') this.#fly(undefined, () => quietly(pending.execute))
  }

  #fate(caller: Caller): Fate {
    if (!caller.alive && this.random.chance(LOST_WITH_ITS_SENDER)) return 'lost'
    if (this.calm) return 'well'
    let chance = this.random.next() / this.harshness
    for (const [fate, share] of FATES) {
      if (chance < share) return fate
      chance -= share
    }
    return 'well'
  }

  /** The caller hears that the connection was cut; the commit happens never, now, or later. */
  #cutOff<T>(pending: Pending<T>, fate: Fate): void {
    if (fate === 'replyLost') quietly(pending.execute)
    if (fate === 'slow') this.#fly(undefined, () => quietly(pending.execute))
    this.#reply(pending, () => pending.reject(new UnknownOutcomeError('connection cut', { retryable: true })))
  }

  #execute<T>(pending: Pending<T>): boolean {
    try {
      const value = pending.execute()
      this.#reply(pending, () => pending.resolve(value))
      return true
    } catch (error) {
      this.#reply(pending, () => pending.reject(error))
      return false
    }
  }

  #reply({ caller }: Pending<never> | { caller: Caller }, land: () => void): void {
    this.#fly(caller, () => {
      if (caller.alive) land()
    })
  }

  #fly(caller: Caller | undefined, land: () => void): void {
    this.#flying.push({ caller, land })
  }

  /** Copies and late ones tend to come last. */
  #takeFlight(): Flight {
    let at = this.random.below(this.#flying.length)
    if (!this.#flying[at]!.caller && this.random.chance(LATE)) at = this.random.below(this.#flying.length)
    const flight = this.#flying[at]!
    this.#flying[at] = this.#flying.at(-1)!
    this.#flying.pop()
    return flight
  }

  #advanceToTimer(): boolean {
    if (this.#timers.length === 0) return false
    this.#advance(Math.max(0, Math.min(...this.#timers.map((timer) => timer.atMs)) - this.nowMs))
    return true
  }

  #advance(ms: number): void {
    this.nowMs += ms
    const due = this.#timers.filter((timer) => timer.atMs <= this.nowMs)
    if (due.length === 0) return
    this.#timers = this.#timers.filter((timer) => timer.atMs > this.nowMs)
    for (const timer of due) this.#fly(timer.caller, () => timer.caller.alive && timer.wake())
  }
}

function quietly(execute: () => unknown): void {
  try {
    execute()
  } catch {
    // Nobody hears of it.
  }
}
