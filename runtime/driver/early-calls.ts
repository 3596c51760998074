import { currentUnit } from '../../src/unit/context.js'
import type { Program } from '../../src/unit/program.js'
import type { LaterCall } from './later-call.js'

interface EarlyCall {
  readonly call: LaterCall
  readonly enter: (program: Program) => void
}

/** Calls made before the program's default store is open. The first one opens it; then they enter the graph, in their order. */
export class EarlyCalls {
  #calls: EarlyCall[] = []

  add(call: LaterCall, enter: (program: Program) => void): void {
    this.#calls.push({ call, enter })
    if (this.#calls.length > 1) return
    currentUnit().then(
      (unit) => this.enter(unit as Program),
      (error: unknown) => this.#refuse(error),
    )
  }

  enter(program: Program): void {
    for (const { enter } of this.#taken()) enter(program)
  }

  #refuse(error: unknown): void {
    for (const { call } of this.#taken()) call.refuse(error)
  }

  #taken(): readonly EarlyCall[] {
    const calls = this.#calls
    if (calls.length > 0) this.#calls = []
    return calls
  }
}
