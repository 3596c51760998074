/**
 * Inputs that come when their call stands in the graph already: promises that no task makes, and futures of which it must be known what they
 * give before it is known what their call waits for. So the call keeps its place in the order of the program.
 */
import type { Direction } from '../tasks/directions.js'
import type { Capture } from './capture.js'
import type { Failures } from './failures.js'
import { sameOf, writerBehind } from './future-version.js'
import type { Loop } from './loop.js'
import { NotInGraphYet } from './taken.js'
import { type Arg, recordOf, type TaskRecord, type ToCome, whole } from './task-record.js'

/** An argument of a call, or an item of one, that is still to come. */
export interface Late {
  readonly value: PromiseLike<unknown>
  /** Where it stands in the record. */
  readonly place: ToCome
  readonly position: number
  readonly direction: Direction
  readonly isItem: boolean
}

/** What an input turned out to be. */
export interface Arrival {
  readonly arg: Arg
  /** Flat triples of what its call uses because of it. */
  readonly accesses: readonly number[]
  /** What is still to come in it. */
  readonly late: readonly Late[]
}

export interface LateRun {
  readonly capture: Capture
  readonly loop: Loop
  readonly failures: Failures
}

/** Brings each late input to its call; the call fails with the first that rejects. */
export class LateInputs {
  constructor(readonly run: LateRun) {}

  await(record: TaskRecord, inputs: readonly Late[]): void {
    let left = inputs.length
    for (const input of inputs)
      this.#bring(record, input).then(
        (isThere) => {
          if (!isThere || record.state !== 'pending') return
          if (--left === 0) record.args = record.args.map(whole)
          this.run.loop.note({ on: 'InputsArrived', tasks: [record.task] })
        },
        (error: unknown) => this.#fail(record, error),
      )
  }

  /** False if its call is over, or never will be run. */
  async #bring(record: TaskRecord, input: Late): Promise<boolean> {
    const maker = recordOf(input.value) ?? writerBehind(input.value)
    if (maker) await maker.whenSettled()
    if (maker?.isBad) return false // the graph knows that, and cancels the call
    const value = await sameOf(input.value)
    if (record.state !== 'pending') return false
    const { arg, accesses, late } = await this.#arrival(record, input, value)
    input.place.arg = arg
    // Before anything is waited for: whether the call may wait for it is the graph's to say.
    if (accesses.length > 0) this.run.loop.note({ on: 'InputsArrived', tasks: [], accesses })
    return (await Promise.all(late.map((one) => this.#bring(record, one)))).every(Boolean)
  }

  async #arrival(record: TaskRecord, input: Late, value: unknown): Promise<Arrival> {
    for (;;) {
      try {
        return this.run.capture.arrive(record, input, value)
      } catch (error) {
        if (!(error instanceof NotInGraphYet)) throw error
        await error.entered
      }
    }
  }

  #fail({ task, state }: TaskRecord, rejected: unknown): void {
    if (state !== 'pending') return
    this.run.failures.noteRejected(task, rejected)
    this.run.loop.note({ on: 'InputsFailed', tasks: [task] })
  }
}
