/**
 * A scheduler test as a table: things have names, every step is checked against the state's laws, and `sent` compares all that a step
 * sent, so that "nothing else was sent" holds in every line.
 */
import { expect } from 'chai'
import type { Command, Commands, Need, RuntimeEvent, SchedulerOptions } from '../../runtime/scheduler/index.js'
import {
  Access,
  ANY_HOST,
  checkInvariants,
  createState,
  explain,
  Flag,
  Kind,
  NONE,
  Policy,
  REASON_NAMES,
  step,
} from '../../runtime/scheduler/index.js'

export interface TaskSpec {
  readonly reads?: string
  readonly writes?: string
  readonly concurrent?: string
  readonly commutative?: string
  readonly deletes?: string
  readonly fn?: number
  readonly priority?: number
  readonly policy?: keyof typeof Policy
  readonly promises?: number
  readonly host?: string
  readonly alone?: boolean
  /** Expected milliseconds. */
  readonly ms?: number
  /** A kind of `needs`. */
  readonly need?: number
}

const MODES = {
  reads: Access.READ,
  writes: Access.WRITE,
  concurrent: Access.CONCURRENT,
  commutative: Access.COMMUTATIVE,
  deletes: Access.DELETE,
} as const
const words = (text: string | undefined): string[] => text?.split(' ').filter((w) => w !== '') ?? []
const indexOf = (name: string): number => Number(name.slice(1))

/** Workers are w0, w1 …, hosts h0, h1 …; tasks and data have the names they are given. */
export class Scenario {
  readonly state
  private readonly tasks: string[] = []
  private readonly data: string[] = []
  private commands: Commands = []
  now = 0

  constructor(options?: SchedulerOptions) {
    this.state = createState(options)
  }

  step(...events: RuntimeEvent[]): this {
    this.commands = step(this.state, events, this.now)
    checkInvariants(this.state)
    return this
  }

  /** `join('w0 h0', 'w1 h1 4')`: name, host, slots (1). */
  join(...specs: string[]): this {
    const workers = specs.map(words).map(([w, h, slots = '1']) => ({ worker: indexOf(w!), host: indexOf(h!), slots: Number(slots) }))
    return this.step({ on: 'WorkersJoined', workers })
  }

  lose(...workers: string[]): this {
    return this.step({ on: 'WorkersLost', workers: workers.map(indexOf) })
  }

  /** Kinds of needs, from 1. */
  needs(...needs: Partial<Need>[]): this {
    const first = this.state.needs.length
    return this.step({ on: 'NeedsDeclared', first, needs: needs.map((need) => ({ ...ANY_HOST, ...need })) })
  }

  kept(names: string, holds = 0): this {
    return this.declare(Kind.KEPT, words(names), holds)
  }

  renamed(names: string, holds = 0): this {
    return this.declare(Kind.RENAMED, words(names), holds)
  }

  private declare(kind: typeof Kind.KEPT | typeof Kind.RENAMED, names: string[], holds: number): this {
    const first = this.data.length
    this.data.push(...names)
    return this.step({ on: 'DataDeclared', first, count: names.length, kind, holds })
  }

  /** `lies('a', { h0: 1000 })`. */
  lies(datum: string, bytes: Record<string, number>): this {
    const hosts = Object.keys(bytes).map(indexOf)
    return this.step({ on: 'LocationsLearned', data: hosts.map(() => this.datum(datum)), hosts, bytes: Object.values(bytes) })
  }

  submit(specs: Record<string, TaskSpec>): this {
    const first = this.tasks.length
    const all = Object.values(specs)
    this.tasks.push(...Object.keys(specs))
    return this.step({
      on: 'TasksSubmitted',
      first,
      count: all.length,
      fn: all.map((s) => s.fn ?? 0),
      flags: all.map((s) => (s.alone ? Flag.ALONE : this.state.lanes ? Flag.TAKES_RESULTS : 0)),
      priority: all.map((s) => s.priority ?? 0),
      policy: all.map((s) => Policy[s.policy ?? 'CANCEL_SUCCESSORS']),
      promises: all.map((s) => s.promises ?? 0),
      microseconds: all.map((s) => (s.ms === undefined ? NONE : s.ms * 1000)),
      need: all.map((s) => s.need ?? 0),
      host: all.map((s) => (s.host === undefined ? NONE : indexOf(s.host))),
      accesses: all.flatMap((s, i) => this.accesses(first + i, s)),
    })
  }

  private accesses(task: number, spec: TaskSpec): number[] {
    const modes = Object.entries(MODES) as [keyof typeof MODES, number][]
    return modes.flatMap(([key, access]) => words(spec[key]).flatMap((name) => [task, this.datum(name), access]))
  }

  /** The data that a host was told to fetch are there. */
  fetched(host: string, ...data: [name: string, bytes: number][]): this {
    const index = indexOf(host)
    const arrived = data.map(([name]) => this.datum(name))
    return this.step(
      { on: 'LocationsLearned', data: arrived, hosts: data.map(() => index), bytes: data.map(([, bytes]) => bytes) },
      { on: 'FetchesEnded', host: index, data: arrived },
    )
  }

  /** `finish('w0', 't1 t2', 50)`: each took 50 µs. */
  finish(worker: string, tasks: string, microseconds?: number): this {
    const report = this.report(worker, tasks)
    if (microseconds === undefined) return this.step({ on: 'TasksFinished', ...report })
    return this.step({ on: 'TasksFinished', ...report, microseconds: report.tasks.map(() => microseconds) })
  }

  /** Bodies have ended, commits are under way. */
  ran(worker: string, tasks: string, microseconds: number): this {
    const report = this.report(worker, tasks)
    return this.step({ on: 'TasksRan', ...report, microseconds: report.tasks.map(() => microseconds) })
  }

  fail(worker: string, tasks: string, retryable = true): this {
    return this.step({ on: 'TasksFailed', retryable, ...this.report(worker, tasks) })
  }

  conflict(worker: string, tasks: string): this {
    return this.step({ on: 'TasksConflicted', ...this.report(worker, tasks) })
  }

  /** `lostInput('w0', 't', 'again')`: an input of t is gone, and `again` takes its place. */
  lostInput(worker: string, task: string, datum: string): this {
    return this.step({ on: 'InputsLost', ...this.report(worker, task), data: [this.datum(datum)] })
  }

  /** A promise of the task has resolved, to something that uses data: `arrives('t', { writes: 'x' })`. */
  arrives(task: string, brings: TaskSpec = {}): this {
    return this.step({ on: 'InputsArrived', tasks: [this.task(task)], accesses: this.accesses(this.task(task), brings) })
  }

  giveBack(worker: string, tasks: string): this {
    return this.step({ on: 'TasksReturned', ...this.report(worker, tasks) })
  }

  /** A report of the present attempts; `attempt` makes it one of another attempt. */
  report(worker: string, names: string, attempt?: number): { worker: number; tasks: number[]; attempts: number[] } {
    const tasks = words(names).map((n) => this.task(n))
    return { worker: indexOf(worker), tasks, attempts: tasks.map((t) => attempt ?? this.state.tasks.attempt[t]!) }
  }

  task(name: string): number {
    const task = this.tasks.indexOf(name)
    if (task === NONE) throw new Error(`no task ${name}`)
    return task
  }

  datum(name: string): number {
    const datum = this.data.indexOf(name)
    if (datum === NONE) throw new Error(`no datum ${name}`)
    return datum
  }

  /** All that the last step sent, one line a command. */
  sent(...lines: string[]): this {
    expect(this.commands.flatMap((c) => this.lines(c))).to.deep.equal(lines)
    return this
  }

  why(task: string): string {
    const names = {
      task: (t: number) => this.tasks[t]!,
      datum: (d: number) => this.data[d]!,
      worker: (w: number) => `w${w}`,
      host: (h: number) => `h${h}`,
    }
    return explain(this.state, this.task(task), names).split('\n')[0]!
  }

  private lines(command: Command): string[] {
    const names = (tasks: readonly number[]): string => tasks.map((t) => this.tasks[t]).join(' ')
    switch (command.do) {
      case 'TasksSettled':
        if (command.outcome === 'done' || command.outcome === 'ignored') return [`${command.outcome}: ${names(command.tasks)}`]
        return command.tasks.map(
          (t, i) => `${command.outcome}: ${this.tasks[t]} by ${this.tasks[command.causes[i]!]}, ${REASON_NAMES[command.reasons[i]!]}`,
        )
      case 'StartTasks':
        return [`w${command.worker} starts ${names(command.tasks)}`]
      case 'RecallTasks':
        return [`w${command.worker} ${command.abort ? 'stops' : 'gives back'} ${names(command.tasks)}`]
      case 'SealTasks':
        return [`seal ${names(command.tasks)}`]
      case 'FetchData':
        return [`h${command.host} fetches ${command.data.map((d, i) => `${this.data[d]} for ${names([command.tasks[i]!])}`).join(', ')}`]
      case 'ReleaseData':
        return [`release ${command.data.map((d) => this.data[d]).join(' ')}`]
      case 'ReplaceWorkers':
        return [`replace ${command.workers.map((w) => `w${w}`).join(' ')}`]
      case 'WakeAt':
        return [`wake at ${command.at}`]
      default:
        return command satisfies never
    }
  }
}
