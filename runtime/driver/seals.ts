/**
 * Tasks that are given up. What the program is told of one must stay true, whatever an attempt does that nobody hears of any more: its mark
 * is barred before the task counts as failed or cancelled. An attempt that was faster has done the task.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { AwakeTime } from '../../src/awake-time.js'
import type { Ref } from '../../src/backend.js'
import { UnknownOutcomeError } from '../../src/errors.js'
import { homeOf, type Outcome, outcomeIn } from '../attempt.js'
import type { RunParts } from './dispatch.js'
import { type CallKind, filled, type TaskRecord } from './task-record.js'

/** How long the end of a run waits for a store that does not answer. */
const END_MS = 1000
const LOOK_MS = 20

/** What became of tasks that had been sent when their run ended. */
export interface Ends {
  readonly done: TaskRecord[]
  /** Those of which nobody knows, with the errors that say so. */
  readonly unknown: Map<number, Error>
}

export interface SealsRun {
  keyOf(task: number): string
  /** An attempt that was given up had committed this. */
  take(record: TaskRecord, outcome: Outcome): void
}

export class Seals {
  constructor(
    readonly parts: RunParts,
    readonly run: SealsRun,
  ) {}

  /** Each ends in TasksSealed or TasksCommitted. */
  seal(tasks: readonly number[]): void {
    for (const task of tasks) {
      const record = this.parts.records.get(task)!
      void this.#isDone(record).then((isDone) => {
        this.parts.loop.note({ on: isDone ? 'TasksCommitted' : 'TasksSealed', tasks: [task] })
        this.parts.loop.turn()
      })
    }
  }

  /** The run ends: gives those tasks that had been sent and are done, or may be; none of the others will be. */
  async end(): Promise<Ends> {
    const { records, log } = this.parts
    const sent = [...records].filter(({ task }) => log.workerOf(task) >= 0)
    const ends: Ends = { done: [], unknown: new Map(sent.map((record) => [record.task, unknownOutcome(record)])) }
    if (sent.length === 0) return ends
    const all = sent.map(async (record) => {
      const end = await this.#endOf(record)
      if (end instanceof Error) return void ends.unknown.set(record.task, end)
      ends.unknown.delete(record.task)
      if (end === 'done') ends.done.push(record)
    })
    const time = new AwakeTime()
    let isOver = false
    const over = Promise.all(all).then(() => {
      isOver = true
    })
    while (!isOver && time.ms < END_MS) await Promise.race([over, delay(LOOK_MS)])
    time.stop()
    return ends
  }

  /** A former life of the run had given the task up; this one has it run. */
  async lift({ task, kind, args }: TaskRecord): Promise<void> {
    const key = this.run.keyOf(task)
    await kind.program.store.commit([{ do: 'forget', home: homeOfRecord(kind, args, key), keys: [key], what: 'mark' }])
  }

  async #isDone(record: TaskRecord): Promise<boolean> {
    const end = await this.#endOf(record)
    if (end instanceof Error) this.parts.failures.note(record.task, end)
    return end === 'done'
  }

  async #endOf(record: TaskRecord): Promise<'done' | 'barred' | Error> {
    const { task, kind, args } = record
    const key = this.run.keyOf(task)
    try {
      const home = homeOfRecord(kind, args, key)
      const mark = await kind.program.store.giveUp(home, key)
      if (mark.state !== 'committed') return 'barred'
      this.run.take(record, await outcomeIn(kind.program.store, mark, home, record.name))
      return 'done'
    } catch (cause) {
      return unknownOutcome(record, cause)
    }
  }
}

/** Its store cannot be reached, or has not kept the outcome: whoever awaits the task must know that it may have happened. */
const unknownOutcome = ({ name }: TaskRecord, cause?: unknown): Error =>
  new UnknownOutcomeError(`it is not known whether task ${name}, which was given up, has committed`, {
    task: name,
    ...(cause !== undefined && { cause }),
  })

/** Where the mark of a task stands. */
export const homeOfRecord = ({ definition }: CallKind, args: TaskRecord['args'], key: string): Ref =>
  homeOf({
    isMethod: definition.method !== undefined,
    target: definition.target,
    directions: definition.directions,
    args: args.map(filled),
    key,
  })
