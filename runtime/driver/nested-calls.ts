/** Tasks that tasks have called, as tasks of the graph. They wait for nothing in it: their parent's worker has ordered them among each other. */
import { isInsituError } from '../../src/errors.js'
import { encodeError } from '../data/carry.js'
import type { AnswerMessage, CallMessage, Carried, HomeParts } from '../engines/messages.js'
import type { Direction } from '../tasks/directions.js'
import { thrownAs } from '../tasks/revive-error.js'
import { calledDefinition, type TaskDefinition } from '../tasks/task.js'
import type { CallKind, TaskRecord } from './task-record.js'

/** What a run does for them. */
export interface NestingRun {
  /** A task, if it runs on that worker. */
  runningOn(worker: number, task: number): TaskRecord | undefined
  /** Takes a call into the graph. */
  enter(kind: CallKind, args: readonly Carried[], parent: TaskRecord): TaskRecord
  answer(worker: number, message: AnswerMessage): void
}

/** Where a child's own mark stands, and what it changed. */
interface Child {
  readonly key: string
  changed?: readonly string[]
  home?: HomeParts
}

export class NestedCalls {
  readonly #children = new Map<number, Child>()
  /** Children by worker and call. */
  readonly #records = new Map<string, TaskRecord>()
  /** By the task of the program above them: children that were out of time, whose parent may have gone with the worker that was ended for it. */
  readonly #late = new Map<TaskRecord, Map<string, AnswerMessage>>()

  constructor(readonly run: NestingRun) {}

  get isAny(): boolean {
    return this.#children.size > 0
  }

  /** The key of a task that a task has called. */
  keyOf(task: number): string | undefined {
    return this.#children.get(task)?.key
  }

  noteChanged(task: number, changed: readonly string[], home: HomeParts): void {
    const child = this.#children.get(task)
    if (child) Object.assign(child, { changed, home })
  }

  call(worker: number, { call, task, key, args, fn }: CallMessage): void {
    const parent = this.run.runningOn(worker, task)
    if (!parent) return // its worker was lost meanwhile: who runs it again asks again
    const late = this.#late.get(parent)?.get(key)
    if (late) return this.run.answer(worker, { ...late, call }) // it would be out of time again
    const definition = definitionOf(fn)
    const record = this.run.enter({ ...parent.kind, definition }, args, parent)
    record.seen = true // its parent is told, not the barrier
    this.#children.set(record.task, { key })
    const name = nameOf(worker, call)
    this.#records.set(name, record)
    void record.whenSettled().then(() => {
      this.#records.delete(name)
      this.#answer(worker, call, record, parent)
    })
  }

  /** Its parent does not want it any more; the answer says what became of it. */
  cancel(worker: number, call: number): void {
    this.#records.get(nameOf(worker, call))?.cancel(undefined)
  }

  #answer(worker: number, call: number, record: TaskRecord, parent: TaskRecord): void {
    const { key, changed, home } = this.#children.get(record.task)!
    this.#children.delete(record.task)
    if (record.isBad) {
      const answer = { do: 'answer', call, error: encodeError(record.error), className: thrownAs(record.error) } as const
      if (isInsituError(record.error) && record.error.code === 'ERR_TASK_TIMEOUT') this.#noteLate(parent, key, answer)
      return this.run.answer(worker, answer)
    }
    const outcome = { result: record.state === 'done' ? record.result : undefined, ...(changed && home && { changed, home }) }
    this.run.answer(worker, { do: 'answer', call, outcome })
  }

  #noteLate(parent: TaskRecord, key: string, answer: AnswerMessage): void {
    const known = this.#late.get(parent)
    if (known) return void known.set(key, answer)
    this.#late.set(parent, new Map([[key, answer]]))
    void parent.whenSettled().then(() => this.#late.delete(parent))
  }
}

const nameOf = (worker: number, call: number): string => `${worker} ${call}`

const definitionOf = ({
  name,
  method,
  url,
  line,
  column,
  nth,
  directions,
  target,
  policy,
  priority,
  timeoutMs,
}: CallMessage['fn']): TaskDefinition =>
  calledDefinition({
    name,
    method,
    site: url === undefined ? undefined : { url, line, column, nth },
    directions: directions as readonly Direction[],
    target: target as Direction,
    policy: policy as TaskDefinition['policy'],
    options: { ...(priority !== undefined && { priority }), ...(timeoutMs !== undefined && { timeoutMs }) },
  })
