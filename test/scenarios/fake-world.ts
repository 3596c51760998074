/**
 * Workers, a store and a program, as far as the scheduler can tell: tasks run for as long as the schedule likes, fail, conflict, lose
 * their workers, and are reported late or twice. Whatever the scheduler lets happen is checked at once against the program's order.
 */

import type { RuntimeEvent, RuntimeState, step as realStep } from '../../runtime/scheduler/index.js'
import {
  Access,
  type Commands,
  checkInvariants,
  createState,
  dump,
  FEED_TASKS_MAX,
  Flag,
  Kind,
  Policy,
  Reason,
} from '../../runtime/scheduler/index.js'
import { Mark } from '../../runtime/scheduler/task-table.js'
import { isKept, isWrite, mayOverlap, mustBeOver, usesOf, writersBefore } from './oracle.js'
import { HOSTS, LABEL, MEMORY_MB, NEEDS, type Program, type Run } from './random-program.js'

export type Step = typeof realStep
type Outcome = 'done' | 'ignored' | 'failed' | 'cancelled'

interface Attempt {
  readonly task: number
  readonly attempt: number
  /** Tasks that it follows in its lane: it ends after they have ended well. */
  readonly behind?: readonly number[]
}

const WORKERS = 3
const hostOf = (worker: number): number => worker % HOSTS

export class World {
  readonly state: RuntimeState
  /** Tasks that have ended well, reported or not; and reports on their way, which a lost worker's driver still finds. */
  private readonly endedWell = new Set<number>()
  private late: { readonly worker: number; readonly event: RuntimeEvent }[] = []
  private readonly program: Program
  private readonly choices: number[]
  private readonly alive = new Set<number>()
  private readonly lost = new Set<number>()
  /** What each worker has and has not reported, in order. */
  private readonly running = new Map<number, Attempt[]>()
  /** Reports that come too late or again. */
  private readonly ghosts: RuntimeEvent[] = []
  private readonly asked: { worker: number; attempt: Attempt }[] = []
  private sealing: number[] = []
  private fetching: { readonly host: number; readonly datum: number }[] = []
  private readonly attempts: number[] = []
  private readonly outcomes: (Outcome | undefined)[] = []
  /** Committed writers of each datum. */
  private readonly written = new Map<number, number[]>()
  private readonly promises: number[] = []
  /** Per task: reported as finished in this step. */
  private finished = new Set<number>()
  private readonly requested = new Set<number>()
  private readonly submittedAt: number[] = []
  private readonly seenAt = new Map<number, number>()
  private readonly released = new Set<number>()
  private readonly holds = new Map<number, number>()
  private events: RuntimeEvent[] = []
  private clock = 0
  private moment = 0
  private stoppedBy: number | undefined
  private wantsTime = false
  /** Tasks that are given to workers in this step, some before what they follow. */
  private isStarting: ReadonlySet<number> = new Set()

  constructor(
    run: Run,
    private readonly step: Step,
    private readonly lanes = false,
  ) {
    this.state = createState({ fetchesAhead: true, seals: true, lanes })
    this.program = run.program
    this.choices = [...run.choices]
  }

  /** Throws at the first broken promise. */
  run(): void {
    this.events.push({ on: 'NeedsDeclared', first: 1, needs: NEEDS.slice(1) })
    this.events.push({ on: 'DataDeclared', first: 0, count: this.program.kept, kind: Kind.KEPT })
    while (this.choices.length > 0) {
      for (let actions = this.choose(3); actions >= 0; actions--) this.actRandomly()
      this.turn()
    }
    this.drain()
    this.checkEnd()
  }

  private choose(below: number): number {
    return (this.choices.shift() ?? 0) % Math.max(1, below)
  }

  private pick<T>(from: readonly T[]): T | undefined {
    return from[this.choose(from.length)]
  }

  private fail(what: string): never {
    throw new Error(`${what}\n${dump(this.state)}`)
  }

  private ensure(holds: boolean, what: string): void {
    if (!holds) this.fail(what)
  }

  // ---- what the world does

  private actRandomly(): void {
    const actions = [
      () => this.submit(1 + this.choose(4)),
      () => this.submit(1),
      () => this.report(this.someWorker()),
      () => this.report(this.someWorker()),
      () => this.report(this.someWorker()),
      () => this.join(),
      () => this.lose(this.someWorker()),
      () => this.settlePromise(this.choose(8) > 0),
      () => this.repeatReport(),
      () => (this.choose(4) === 0 ? this.cancelSome() : this.join()),
      () => this.seeFailure(),
      () => this.answerRecall(this.choose(2) === 0),
      () => this.changeSlots(),
      () => this.learnLocation(),
      () => this.letGo(),
      () => this.answerFetch(this.choose(4) > 0),
      () => this.answerSeal(this.choose(3) === 0),
      () => this.deliverLate(this.someWorker()),
    ]
    this.clock += this.choose(7)
    this.pick(actions)!()
  }

  private someWorker(): number | undefined {
    return this.pick([...this.alive])
  }

  private submit(count: number): void {
    const first = this.outcomesLength()
    const tasks = this.program.tasks.slice(first, first + count)
    if (tasks.length === 0) return
    this.moment++
    for (let i = 0; i < tasks.length; i++) this.declareResult(first + i)
    this.events.push({
      on: 'TasksSubmitted',
      first,
      count: tasks.length,
      fn: tasks.map((t) => t.fn),
      ...(this.lanes && { flags: tasks.map(() => Flag.TAKES_RESULTS) }),
      priority: tasks.map((t) => t.priority),
      policy: tasks.map((t) => t.policy),
      promises: tasks.map((t) => t.promises),
      host: tasks.map((t) => t.host),
      need: tasks.map((t) => t.need),
      microseconds: tasks.map((t) => t.us),
      accesses: tasks.flatMap((t, i) => t.accesses.flatMap((a) => [first + i, a.datum, a.access])),
    })
    tasks.forEach((t, i) => {
      this.promises[first + i] = t.promises
      this.submittedAt[first + i] = this.moment
    })
  }

  private outcomesLength(): number {
    return this.submittedAt.length
  }

  /** The program holds results until it has submitted everything. */
  private declareResult(task: number): void {
    const datum = this.program.kept + task
    this.holds.set(datum, 1)
    this.events.push({ on: 'DataDeclared', first: datum, count: 1, kind: Kind.RENAMED, holds: 1 })
  }

  private letGo(): void {
    if (this.outcomesLength() < this.program.tasks.length) return
    const datum = this.pick([...this.holds].filter(([, n]) => n > 0).map(([d]) => d))
    if (datum === undefined) return
    this.holds.set(datum, 0)
    this.events.push({ on: 'DataReleased', data: [datum] })
  }

  private join(): void {
    const worker = this.pick(Array.from({ length: WORKERS }, (_, w) => w).filter((w) => !this.alive.has(w)))
    if (worker === undefined) return
    this.alive.add(worker)
    this.lost.delete(worker)
    this.running.set(worker, [])
    this.events.push({ on: 'WorkersJoined', workers: [{ worker, slots: 1 + this.choose(2), ...this.describe(hostOf(worker)) }] })
  }

  private describe(host: number): { host: number; memoryMb: number; labels: string[] } {
    return { host, memoryMb: MEMORY_MB, labels: host === 1 ? [LABEL] : [] }
  }

  private lose(worker: number | undefined): void {
    if (worker === undefined) return
    this.deliverLate(worker)
    this.alive.delete(worker)
    this.lost.add(worker)
    for (const { task, attempt } of this.running.get(worker)!) {
      this.ghosts.push({ on: 'TasksFinished', worker, tasks: [task], attempts: [attempt] })
      this.ghosts.push({ on: 'TasksFailed', worker, tasks: [task], attempts: [attempt], retryable: true })
    }
    this.running.set(worker, [])
    this.events.push({ on: 'WorkersLost', workers: [worker] })
  }

  /** Some tasks of a worker end; a queue is worked off in order, but what runs beside may end in any. */
  private report(worker: number | undefined): void {
    if (worker === undefined) return
    const running = this.running.get(worker)!
    for (let n = 1 + this.choose(4); n > 0 && running.length > 0; n--) {
      const free = running.filter(({ behind = [] }) => behind.every((t) => this.endedWell.has(t)))
      const attempt = free[this.choose(Math.min(2, free.length))]
      if (attempt === undefined) return
      running.splice(running.indexOf(attempt), 1)
      this.end(worker, attempt)
    }
  }

  private end(worker: number, { task, attempt }: Attempt): void {
    const ending = this.program.tasks[task]!.endings[attempt - 1] ?? 'ok'
    const report = { worker, tasks: [task], attempts: [attempt] }
    // With effects, bodies end before the task does.
    if (ending !== 'fail' && this.choose(3) === 0) this.events.push({ on: 'TasksRan', ...report, microseconds: [1 + this.choose(3000)] })
    if (ending === 'ok') {
      const event: RuntimeEvent = { on: 'TasksFinished', ...report, microseconds: [1 + this.choose(3000)] }
      this.endedWell.add(task)
      if (this.lanes && this.choose(3) === 0) {
        this.late.push({ worker, event })
        return
      }
      this.finished.add(task)
      this.events.push(event)
    } else if (ending === 'conflict') this.events.push({ on: 'TasksConflicted', ...report })
    else this.events.push({ on: 'TasksFailed', ...report, retryable: ending === 'fail' })
    this.ghosts.push(this.events.at(-1)!)
  }

  /** What follows a task in another lane may be reported before it. */
  private deliverLate(worker: number | undefined): void {
    for (const { event } of this.late.filter((l) => l.worker === worker)) {
      this.finished.add((event as { readonly tasks: readonly number[] }).tasks[0]!)
      this.events.push(event)
      this.ghosts.push(event)
    }
    this.late = this.late.filter((l) => l.worker !== worker)
  }

  private repeatReport(): void {
    const pending = this.ghosts.filter((g) => 'tasks' in g && this.outcomes[g.tasks[0]!] === undefined)
    const ghost = this.pick(pending.length > 0 ? pending : this.ghosts)
    if (ghost !== undefined && !this.events.includes(ghost)) this.events.push(ghost)
  }

  private settlePromise(arrives: boolean): void {
    const task = this.pick(this.promises.flatMap((n, t) => (n > 0 ? [t] : [])))
    if (task === undefined) return
    this.promises[task]!--
    this.events.push({ on: arrives ? 'InputsArrived' : 'InputsFailed', tasks: [task] })
  }

  private cancelSome(): void {
    const task = this.choose(this.outcomesLength() * 3)
    if (task >= this.outcomesLength()) return
    this.requested.add(task)
    this.events.push({ on: 'TasksCancelled', tasks: [task] })
  }

  private seeFailure(): void {
    const task = this.pick(this.outcomes.flatMap((o, t) => (o === 'failed' || o === 'cancelled' ? [t] : [])))
    if (task === undefined) return
    const cause = this.state.tasks.cause[task]!
    this.moment++
    if (!this.seenAt.has(cause)) this.seenAt.set(cause, this.moment)
    if (this.stoppedBy === cause) this.stoppedBy = undefined
    this.events.push({ on: 'FailuresSeen', tasks: [task] })
  }

  /** A task that has not begun goes back; one that has goes on, or stops. */
  private answerRecall(gives: boolean): void {
    const asked = this.asked.shift()
    if (asked === undefined || !gives) return
    const running = this.running.get(asked.worker)!
    const at = running.findIndex((a) => a.task === asked.attempt.task && a.attempt === asked.attempt.attempt)
    if (at === -1) return
    running.splice(at, 1)
    this.events.push({ on: 'TasksReturned', worker: asked.worker, tasks: [asked.attempt.task], attempts: [asked.attempt.attempt] })
  }

  private changeSlots(): void {
    const worker = this.someWorker()
    if (worker !== undefined) this.events.push({ on: 'SlotsChanged', worker, slots: this.choose(4) })
  }

  private learnLocation(): void {
    const datum = this.choose(this.program.kept)
    this.events.push({ on: 'LocationsLearned', data: [datum], hosts: [this.choose(HOSTS)], bytes: [this.choose(5) * 100_000] })
  }

  private beginFetch(host: number, datum: number): void {
    const isUp = [...this.alive].some((worker) => hostOf(worker) === host)
    this.ensure(isUp, `datum ${datum} is fetched to host ${host}, which is lost`)
    this.ensure(!this.released.has(datum), `datum ${datum} is fetched after it was released`)
    this.fetching.push({ host, datum })
  }

  /** It comes, or it cannot be had. */
  private answerFetch(comes: boolean): void {
    const fetch = this.pick(this.fetching)
    if (fetch === undefined) return
    this.fetching.splice(this.fetching.indexOf(fetch), 1)
    const { host, datum } = fetch
    if (comes) this.events.push({ on: 'LocationsLearned', data: [datum], hosts: [host], bytes: [this.state.data.bytes[datum]!] })
    this.events.push({ on: 'FetchesEnded', host, data: [datum] })
  }

  /** Its mark is barred; or it turns out that an attempt which was given up had committed. */
  private answerSeal(isDone: boolean): void {
    const task = this.pick(this.sealing)
    if (task === undefined) return
    this.sealing.splice(this.sealing.indexOf(task), 1)
    if (isDone) this.finished.add(task)
    this.events.push({ on: isDone ? 'TasksCommitted' : 'TasksSealed', tasks: [task] })
  }

  // ---- one step, and what came of it

  private turn(): void {
    const commands = this.step(this.state, this.events, this.clock)
    this.events = []
    this.wantsTime = false
    checkInvariants(this.state)
    this.isStarting = new Set(commands.flatMap((c) => (c.do === 'StartTasks' ? c.tasks : [])))
    for (const command of commands) this.perform(command)
    this.finished = new Set()
  }

  private perform(command: Commands[number]): void {
    switch (command.do) {
      case 'TasksSettled':
        if (command.outcome === 'done' || command.outcome === 'ignored') for (const t of command.tasks) this.settleWell(t, command.outcome)
        else for (const [i, t] of command.tasks.entries()) this.settleBadly(t, command.outcome, command.causes[i]!, command.reasons[i]!)
        return
      case 'StartTasks':
        for (const [i, task] of command.tasks.entries()) this.start(command.worker, { task, attempt: command.attempts[i]! })
        return
      case 'RecallTasks':
        for (const [i, task] of command.tasks.entries()) {
          this.asked.push({ worker: command.worker, attempt: { task, attempt: command.attempts[i]! } })
          this.takeBackBlocked(command.worker, task)
        }
        return
      case 'SealTasks':
        for (const task of command.tasks) this.beginSeal(task)
        return
      case 'FetchData':
        for (const datum of command.data) this.beginFetch(command.host, datum)
        return
      case 'ReleaseData':
        for (const d of command.data) this.release(d)
        return
      case 'ReplaceWorkers':
        for (const w of command.workers) this.ensure(this.lost.has(w) || this.alive.has(w), `worker ${w} was never lost`)
        return
      case 'WakeAt':
        this.wantsTime = true
        return this.ensure(command.at > this.clock, 'wake in the past')
      default:
        return command satisfies never
    }
  }

  /** What cannot have begun comes back at once: by the memory that driver and workers share. */
  private takeBackBlocked(worker: number, task: number): void {
    const behind = this.running.get(worker)!.find((a) => a.task === task)?.behind ?? []
    if (behind.every((t) => this.endedWell.has(t))) return
    this.asked.unshift(this.asked.pop()!)
    this.answerRecall(true)
  }

  private beginSeal(task: number): void {
    this.ensure(this.outcomes[task] === undefined && !this.isRunning(task), `task ${task} is given up and is not`)
    this.sealing.push(task)
  }

  private start(worker: number, attempt: Attempt): void {
    const { task } = attempt
    this.ensure(this.alive.has(worker), `task ${task} starts on a lost worker`)
    this.ensure(this.outcomes[task] === undefined, `task ${task} starts after it settled`)
    this.ensure(!this.isRunning(task), `task ${task} runs twice`)
    this.ensure(!this.sealing.includes(task), `task ${task} starts though it is given up`)
    this.ensure(this.promises[task] === 0, `task ${task} starts without its inputs`)
    this.ensure(this.stoppedBy === undefined, `task ${task} starts after the run was stopped`)
    this.ensure(attempt.attempt === (this.attempts[task] ?? 0) + 1, `task ${task}: attempts count up`)
    const { host } = this.program.tasks[task]!
    this.ensure(host < 0 || host === hostOf(worker), `task ${task} runs where it may not`)
    this.checkNeeds(task, worker)
    this.ensure(this.poisonedBy(task).length === 0, `task ${task} starts behind a failure`)
    const behind = mustBeOver(this.program, task).filter((t) => this.outcomes[t] === undefined)
    for (const t of behind) this.ensure(this.lanes && this.follows(task, t), `task ${task} starts before ${t} is over`)
    this.checkAlone(task)
    this.attempts[task] = attempt.attempt
    const running = this.running.get(worker)!
    running.push({ ...attempt, behind })
    this.ensure(running.length <= FEED_TASKS_MAX, 'a worker has too much')
  }

  /** Whether a task waits for the result of one that has a worker, and for nothing else of it. */
  private follows(task: number, leader: number): boolean {
    const datum = this.program.kept + leader
    const uses = usesOf(this.program, task)
    const theirs = usesOf(this.program, leader)
    const others = uses.filter((u) => u.datum !== datum && theirs.some((o) => o.datum === u.datum && !mayOverlap(u.access, o.access)))
    const hasWorker = this.isRunning(leader) || this.endedWell.has(leader) || this.isStarting.has(leader)
    return others.length === 0 && uses.some((u) => u.datum === datum) && hasWorker
  }

  private checkNeeds(task: number, worker: number): void {
    const need = NEEDS[this.program.tasks[task]!.need]!
    this.ensure(need.labels.length === 0 || hostOf(worker) === 1, `task ${task} runs where its label is not`)
    const beside = [...this.running].filter(([w]) => hostOf(w) === hostOf(worker)).flatMap(([, r]) => r)
    const memory = beside.reduce((sum, other) => sum + NEEDS[this.program.tasks[other.task]!.need]!.memoryMb, need.memoryMb)
    this.ensure(memory <= MEMORY_MB, `task ${task} starts where there is no memory for it`)
  }

  private isRunning(task: number): boolean {
    return [...this.running.values()].some((r) => r.some((a) => a.task === task))
  }

  private checkAlone(task: number): void {
    const uses = usesOf(this.program, task)
    for (const { task: other } of [...this.running.values()].flat()) {
      for (const theirs of usesOf(this.program, other)) {
        const isResult = this.lanes && theirs.datum >= this.program.kept
        const clash = !isResult && uses.some((u) => u.datum === theirs.datum && !mayOverlap(u.access, theirs.access))
        this.ensure(!clash, `tasks ${task} and ${other} run together on datum ${theirs.datum}`)
      }
    }
  }

  private settleOnce(task: number, outcome: Outcome): void {
    this.ensure(this.outcomes[task] === undefined, `task ${task} settles twice`)
    this.ensure(!this.isRunning(task), `task ${task} settles while it runs`)
    this.ensure(!this.sealing.includes(task), `task ${task} settles before it is known to be over`)
    this.outcomes[task] = outcome
  }

  private settleWell(task: number, outcome: 'done' | 'ignored'): void {
    this.settleOnce(task, outcome)
    if (outcome === 'ignored') return this.ensure(this.program.tasks[task]!.policy === Policy.IGNORE, `task ${task} was ignored`)
    this.ensure(this.finished.has(task), `task ${task} is done but nobody said so`)
    for (const use of usesOf(this.program, task)) {
      const { datum } = use
      const now = this.written.get(datum) ?? []
      const mustSee = writersBefore(this.program, task, use).filter((t) => this.outcomes[t] === 'done')
      this.ensure(
        mustSee.every((t) => now.includes(t)),
        `task ${task} did not see all of datum ${datum}`,
      )
      this.ensure(use.access !== Access.READ || now.every((t) => t < task), `task ${task} saw later writes of datum ${datum}`)
      if (isWrite(use.access)) this.written.set(datum, [...now, task])
    }
  }

  private settleBadly(task: number, outcome: 'failed' | 'cancelled', cause: number, reason: Reason): void {
    if (outcome === 'cancelled') this.checkCancelled(task, cause, reason)
    else this.ensure(cause === task && reason !== Reason.PREDECESSOR, `task ${task} failed for a reason of its own`)
    this.settleOnce(task, outcome)
    if (outcome === 'failed' && this.program.tasks[task]!.policy === Policy.FAIL) this.stoppedBy ??= task
  }

  private checkCancelled(task: number, cause: number, reason: Reason): void {
    if (reason === Reason.REQUEST) return this.ensure(cause === task && this.requested.has(task), `task ${task} was cancelled unasked`)
    if (reason === Reason.RUN_STOPPED) return this.ensure(this.program.tasks[cause]!.policy === Policy.FAIL, `task ${task} was stopped`)
    this.ensure(reason === Reason.PREDECESSOR, `task ${task} was cancelled for no reason`)
    this.ensure(this.lanes || !this.attempts[task], `task ${task} was cancelled after it had started`)
    // A task that policy FAIL asked to stop may settle after the program has seen the failure: whoever waits for it then is cancelled too.
    const late = this.program.tasks[cause]!.policy === Policy.FAIL
    const causes = this.unhappyBefore(task).flatMap((b) => (late || !b.isExcused ? [b.cause] : []))
    this.ensure(causes.includes(cause), `task ${task} was cancelled because of ${cause}, and not of ${causes}`)
  }

  /** Root failures that stand between this task and data it must see; for objects, those not seen when it was submitted. */
  private poisonedBy(task: number): number[] {
    return this.unhappyBefore(task).flatMap(({ cause, isExcused }) => (isExcused ? [] : [cause]))
  }

  private unhappyBefore(task: number): { cause: number; isExcused: boolean }[] {
    const unhappy = (t: number): boolean => this.outcomes[t] === 'failed' || this.outcomes[t] === 'cancelled'
    return usesOf(this.program, task).flatMap((use) =>
      writersBefore(this.program, task, use)
        .filter(unhappy)
        .map((t) => {
          const cause = this.state.tasks.cause[t]!
          const wasSeen = (this.seenAt.get(cause) ?? Number.POSITIVE_INFINITY) < this.submittedAt[task]!
          return { cause, isExcused: wasSeen && isKept(this.program, use.datum) }
        }),
    )
  }

  private release(datum: number): void {
    this.ensure(!isKept(this.program, datum) && this.holds.get(datum) === 0, `datum ${datum} is released but held`)
    this.ensure(!this.released.has(datum), `datum ${datum} is released twice`)
    this.released.add(datum)
    for (let t = 0; t < this.outcomesLength(); t++) {
      const needs = this.outcomes[t] === undefined && !this.isStopping(t) && usesOf(this.program, t).some((u) => u.datum === datum)
      this.ensure(!needs, `datum ${datum} is released but task ${t} needs it`)
    }
  }

  /** What followed a task that failed is on its way back. */
  private isStopping(task: number): boolean {
    return this.lanes && (this.state.tasks.marks[task]! & Mark.CANCELLING) !== 0
  }

  // ---- the end

  /** No more mischief: everything is submitted, each host has workers, everything is answered. All must settle. */
  private drain(): void {
    this.submit(this.program.tasks.length)
    while (this.alive.size < WORKERS) this.join()
    for (const worker of this.alive) this.events.push({ on: 'SlotsChanged', worker, slots: 2 })
    while (this.promises.some((n) => n > 0)) this.settlePromise(true)
    for (const datum of this.holds.keys()) {
      if (this.holds.get(datum) === 1) this.events.push({ on: 'DataReleased', data: [datum] })
      this.holds.set(datum, 0)
    }
    this.turn()
    for (let left = 40 * this.program.tasks.length + 40; this.isPending(); left--) {
      if (left === 0) this.fail('not everything settles')
      this.clock += this.wantsTime ? (this.lanes ? 100 : 10) : 1
      while (this.asked.length > 0) this.answerRecall(true)
      while (this.fetching.length > 0) this.answerFetch(true)
      while (this.sealing.length > 0) this.answerSeal(this.sealing.length % 2 === 0)
      for (const worker of this.alive) this.report(worker)
      for (const worker of this.alive) this.deliverLate(worker)
      this.turn()
    }
  }

  private isPending(): boolean {
    return this.program.tasks.some((_, t) => this.outcomes[t] === undefined)
  }

  private checkEnd(): void {
    const everDeclared = this.program.tasks.map((_, t) => this.program.kept + t)
    for (const d of everDeclared) this.ensure(this.released.has(d), `datum ${d} is never released`)
    this.program.tasks.forEach((_, task) => {
      if (this.outcomes[task] === 'done')
        this.ensure(this.poisonedBy(task).length === 0, `task ${task} is done though a predecessor is not`)
    })
    this.ensure(this.state.accesses.size === 0 || this.state.data.tail.every((t) => t === -1), 'chains are left over')
  }
}
