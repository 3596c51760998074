/** The driver's part of lanes: which task has which slot of the shared memory, and for how long (see scheduler/lanes.ts). */
import { At, type LaneSlots } from '../engines/lane-slots.js'
import type { Carried, Report } from '../engines/messages.js'
import type { RecallTasks } from '../scheduler/commands.js'
import { FEED_TASKS_MAX, NONE } from '../scheduler/constants.js'
import { Lane } from '../scheduler/lanes.js'
import { type Arg, FromTask, type TaskRecord } from './task-record.js'

/** Slots for each worker: of what it has been given at once, and of what ended before and is still waited for. */
const SLOTS_A_WORKER = 4 * FEED_TASKS_MAX

/** One attempt in a lane. */
export interface Given {
  worker: number
  attempt: number
  readonly slot: number
  readonly use: number
  /** Slots that it waits for, which are not used again before it is over. */
  behind: readonly number[]
}

const NOTHING: readonly number[] = []

export class Lanes {
  readonly slots: LaneSlots
  readonly #given = new Map<number, Given>()
  readonly #free: number[] = []
  /** How many stand in the way of using a slot again: its task, and those behind it. */
  readonly #holders: Uint16Array

  constructor(workers: number, slots: (count: number) => LaneSlots) {
    const count = workers * SLOTS_A_WORKER
    this.slots = slots(count)
    this.#holders = new Uint16Array(count)
    for (let slot = count - 1; slot >= 0; slot--) this.#free.push(slot)
  }

  get isEmpty(): boolean {
    return this.#given.size === 0
  }

  /** The slot of a task that others may wait for; if there is one left. What follows a task may be sent just before the task itself. */
  of(task: number): Given | undefined {
    return this.#given.get(task) ?? this.#take(task)
  }

  #take(task: number): Given | undefined {
    const slot = this.#free.pop()
    if (slot === undefined) return undefined
    const given: Given = { worker: NONE, attempt: 0, slot, use: this.slots.give(slot), behind: NOTHING }
    this.#given.set(task, given)
    this.#holders[slot] = 1
    return given
  }

  /** An attempt gets its slot. */
  give(task: number, attempt: number, worker: number, behind: readonly number[] = NOTHING): Given | undefined {
    const given = this.of(task)
    if (!given) return undefined
    given.worker = worker
    given.attempt = attempt
    given.behind = behind
    for (const one of behind) this.#holders[one]!++
    return given
  }

  /**
   * Gives an attempt its slot, and says in `waits` what it lacks (see TasksMessage): `bits` are those of `Lane`, `row` is its place in the message.
   * `null`: it cannot go yet, since there is no slot for what it follows.
   */
  enter(record: TaskRecord, attempt: number, worker: number, bits: number, row: number, waits: number[]): Given | undefined | null {
    if ((bits & Lane.FOLLOWS) === 0) return this.give(record.task, attempt, worker)
    const behind: number[] = []
    const before = waits.length
    const isWhole = record.args.every((arg, position) => {
      const leader = isToCome(arg) ? this.of(arg.record.task) : undefined
      if (leader) {
        behind.push(leader.slot)
        waits.push(row, position, leader.slot, leader.use)
      }
      return leader || !isToCome(arg)
    })
    const given = isWhole ? this.give(record.task, attempt, worker, behind) : undefined
    if (given) return given
    waits.length = before
    this.#dismiss(record.task)
    return null
  }

  /** Parts a command: what nobody has begun is taken back at once, the rest is asked of the worker. */
  takenBack(command: RecallTasks): { readonly taken?: Omit<RecallTasks, 'do' | 'abort'>; readonly rest: RecallTasks } {
    if (this.isEmpty) return { rest: command }
    const { worker } = command
    const taken: Omit<RecallTasks, 'do' | 'abort'> = { worker, tasks: [], attempts: [] }
    const rest: RecallTasks = { ...command, tasks: [], attempts: [] }
    for (const [i, task] of command.tasks.entries()) {
      const to = this.takeBack(task, command.attempts[i]!) ? taken : rest
      to.tasks.push(task)
      to.attempts.push(command.attempts[i]!)
    }
    return taken.tasks.length > 0 ? { taken, rest } : { rest }
  }

  /** What a worker tells of its lane. */
  leave({ tasks, attempts, failed, conflicted, returned }: Report): void {
    if (this.isEmpty) return
    for (let i = 0; i < tasks.length; i++) this.over(tasks[i]!, attempts[i]!, true)
    for (const { task, attempt } of failed) this.over(task, attempt, false)
    for (const { task, attempt } of conflicted) this.over(task, attempt, false)
    for (const [task, attempt] of returned) this.over(task, attempt, false)
  }

  /** A task is not sent after all. */
  #dismiss(task: number): void {
    const given = this.#given.get(task)
    if (given) this.over(task, given.attempt, false)
  }

  /** Takes a task back that no worker has begun. */
  takeBack(task: number, attempt: number): boolean {
    const given = this.#given.get(task)
    if (given?.attempt !== attempt || !this.slots.claim(given.slot, given.use, At.VOID)) return false
    this.slots.void(given.slot, given.use)
    this.#drop(task, given)
    return true
  }

  /** An attempt was reported: as done, or so that nobody may wait for it. */
  over(task: number, attempt: number, isDone: boolean): void {
    const given = this.#given.get(task)
    if (given?.attempt !== attempt) return
    if (!isDone) this.slots.void(given.slot, given.use)
    this.#drop(task, given)
  }

  /** A worker is gone. Gives those of its tasks that had ended without being reported, with their results: others may have taken these. */
  lose(worker: number): readonly { readonly task: number; readonly attempt: number; readonly result: Carried }[] {
    const ended: { task: number; attempt: number; result: Carried }[] = []
    for (const [task, given] of [...this.#given]) {
      if (given.worker !== worker) continue
      const at = this.slots.at(given.slot, given.use)
      if (at === At.DONE) ended.push({ task, attempt: given.attempt, result: this.slots.read(given.slot) })
      this.over(task, given.attempt, at === At.DONE)
    }
    return ended
  }

  #drop(task: number, { slot, behind }: Given): void {
    this.#given.delete(task)
    this.#release(slot)
    for (const one of behind) this.#release(one)
  }

  #release(slot: number): void {
    if (--this.#holders[slot]! === 0) this.#free.push(slot)
  }
}

const isToCome = (arg: Arg): arg is FromTask => arg instanceof FromTask && arg.record.state === 'pending'
