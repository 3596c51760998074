/**
 * Values that were lost with their hosts are made again, where that gives the same ones: by a further task of the graph, for which those wait
 * that lack them. It changes nothing, and compares what it reads with what the first one had read.
 */
import { LostValueError } from '../../src/errors.js'
import type { Carried, InputLost } from '../engines/messages.js'
import { Access } from '../scheduler/constants.js'
import type { RuntimeEvent } from '../scheduler/events.js'
import type { Failures } from './failures.js'
import { isKept, type Kept, type KeptValues } from './kept-values.js'
import type { Given, Lineage, Source } from './lineage.js'
import type { Submissions } from './submissions.js'
import type { TaskLog } from './task-log.js'
import { type Arg, FromTask, TaskRecord } from './task-record.js'

export interface RemakingRun {
  readonly submissions: Submissions
  readonly log: TaskLog
  readonly failures: Failures
  readonly values: KeptValues
  add(record: TaskRecord): void
}

/** Some value behind it is gone and cannot be made again. */
class NoWay extends Error {}

export class Remaking {
  /** Tasks that made lost values again. */
  count = 0

  constructor(readonly run: RemakingRun) {}

  /** The task that makes the values of a record again, submitted if need be; `undefined` if they cannot be. */
  again({ lineage }: TaskRecord): TaskRecord | undefined {
    try {
      return lineage && this.#make(lineage)
    } catch (error) {
      if (error instanceof NoWay) return undefined
      throw error
    }
  }

  /** A value that a task takes went with its host: the task waits until that is made again, or fails. */
  onInputLost(worker: number, { task, attempt, names, hosts }: InputLost, record: TaskRecord): RuntimeEvent {
    const about = { worker, tasks: [task], attempts: [attempt] }
    const lost = names.filter((name, i) => this.run.values.noteLost(name, hosts[i]!))
    if (lost.length === 0) return { on: 'TasksReturned', ...about }
    const makers = [...this.#makersOf(record, lost)]
    // A task that makes something again holds what it takes: that cannot have been replaced.
    if (makers.length === 0 && !record.remakes) return { on: 'TasksReturned', ...about }
    const again = makers.map((maker) => this.again(maker))
    const [last] = again.slice(-1)
    if (last && !again.includes(undefined)) return { on: 'InputsLost', ...about, data: [last.datum] }
    this.run.failures.note(task, lostForGood((makers[again.indexOf(undefined)] ?? record).name))
    return { on: 'TasksFailed', ...about, retryable: false }
  }

  /** Those that gave a task the values of these names. Fewer, if some of them have been made again since. */
  #makersOf({ args }: TaskRecord, names: readonly string[]): ReadonlySet<TaskRecord> {
    const makers = new Set<TaskRecord>()
    const look = (arg: Arg): void => {
      if (typeof arg !== 'object' || arg === null) return
      if (arg instanceof FromTask) {
        if (isKept(arg.value) && names.includes(arg.value.n)) makers.add(arg.record)
      } else if (arg.k === 'a') arg.e.forEach(look)
      else if (arg.k === 'v') arg.f?.forEach(look)
    }
    args.forEach(look)
    return makers
  }

  /** It has made its values: whoever held the lost ones holds these. At once, since those that wait are sent next. */
  made(record: TaskRecord): void {
    const holder = record.remakes?.of.deref()
    if (!holder) return
    holder.result = record.result
    holder.written = record.written
    holder.datum = record.datum
  }

  #make(lineage: Lineage): TaskRecord {
    if (lineage.again?.state === 'pending') return lineage.again
    const { submissions, log } = this.run
    const waitsFor = new Set<TaskRecord>()
    const args = lineage.args.map((given) => this.#argument(given, waitsFor))
    const task = submissions.next
    for (const { datum, task: maker } of waitsFor) {
      submissions.access(datum, Access.READ)
      log.draw(maker, task)
    }
    // To be ignored is no way for a value to come back.
    const definition = { ...lineage.kind.definition, policy: 'CANCEL_SUCCESSORS' } as const
    const record = new TaskRecord(task, submissions.add(definition), { ...lineage.kind, definition }, args)
    record.remakes = lineage
    lineage.again = record
    log.add(definition.index)
    this.run.failures.remakes.add(task)
    this.count++
    this.run.add(record)
    return record
  }

  #argument(given: Given, waitsFor: Set<TaskRecord>): Arg {
    if (typeof given !== 'object' || given === null) return given
    switch (given.k) {
      case 's':
        return this.#sourced(given, waitsFor)
      case 'a':
        return { k: 'a', e: given.e.map((one) => this.#argument(one, waitsFor)) }
      case 'v':
        return given.f ? { k: 'v', b: given.b, f: given.f.map((one) => this.#argument(one, waitsFor)) } : { k: 'v', b: given.b }
      case 'o':
        return given
    }
  }

  /** The value if somebody has it, else made again as well. */
  #sourced({ value, from, place }: Source, waitsFor: Set<TaskRecord>): Arg {
    const holder = from?.of.deref()
    for (const known of [value.deref(), holder && new FromTask(holder, place).value]) if (this.#isThere(known)) return known
    if (!from) throw new NoWay()
    const maker = this.#make(from)
    waitsFor.add(maker)
    return new FromTask(maker, place)
  }

  #isThere(value: Carried): value is Kept {
    return isKept(value) && !this.run.values.isLost(value)
  }
}

export const lostForGood = (task: string, cause?: unknown): Error =>
  new LostValueError(
    `a value that task ${task} had made was lost with its host, and cannot be made again: let it make a persistent object, or call it again`,
    { task, ...(cause !== undefined && { cause }) },
  )
