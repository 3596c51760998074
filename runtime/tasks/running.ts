/** What a body may know of the attempt that it is: its name and number, and the signal that asks it to stop. */
import { belonging, runBelonging } from '../../src/unit/context.js'
import type { NestedScope } from './nested-scope.js'

export class Attempt {
  #scope: NestedScope | undefined
  #abort: AbortController | undefined
  #signal: AbortSignal | undefined
  /** It was asked to stop and did not: nobody waits for it. */
  isLeft = false

  constructor(
    readonly task: string,
    /** 1 for the first. */
    readonly number: number,
    /** Makes its scope when it first calls a task: most never do. */
    readonly scopeOf?: () => NestedScope,
    /** The attempt that called it in place, whose signal is its own too. */
    readonly above?: Attempt,
  ) {}

  /** Of the tasks that it calls itself. */
  get scope(): NestedScope | undefined {
    this.#scope ??= this.scopeOf?.()
    return this.#scope
  }

  /** The same, if it has called any. */
  get scopeIfAny(): NestedScope | undefined {
    return this.#scope
  }

  /** Aborted when the task is cancelled or out of time. */
  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    this.#signal ??= this.above ? AbortSignal.any([this.above.signal, this.#abort.signal]) : this.#abort.signal
    return this.#signal
  }

  abort(): void {
    this.#abort ??= new AbortController()
    this.#abort.abort()
  }
}

/** Runs what belongs to an attempt in the unit of work that is open already. */
export const runAs = <T>(attempt: Attempt, body: () => T): T => runBelonging({ unit: belonging()!.unit, attempt }, body, undefined)

/** The attempt that the running code belongs to. */
export const currentAttempt = (): Attempt | undefined => belonging()?.attempt as Attempt | undefined
