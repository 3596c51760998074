import { ConflictError, isInsituError, LostValueError, UnknownOutcomeError } from '../../src/errors.js'
import type { Store } from '../../src/store.js'
import { backOff } from '../../src/unit/back-off.js'
import { beginAttempt, type Changes, type Ended, type Outcome } from '../attempt.js'
import { encodeError } from '../data/carry.js'
import { isPromiseLike } from '../settled.js'
import { CANCEL_GRACE_MS, TIMEOUT_GRACE_MS } from '../tasks/in-time.js'
import { NestedScope } from '../tasks/nested-scope.js'
import { classNameOf } from '../tasks/revive-error.js'
import { Attempt } from '../tasks/running.js'
import { Ahead } from './ahead.js'
import type { Others } from './elsewhere.js'
import { Following, May } from './following.js'
import { alone, JointCommits, type Leaving } from './joint-commits.js'
import type { LaneSlots } from './lane-slots.js'
import type { ChildEffects, FnPlace, FromWorker, NamedSite } from './messages.js'
import { NO_SLOT, type Queued } from './queued.js'
import type { ReportBox } from './report-box.js'
import { type Body, findBody } from './task-bodies.js'

/** A little less than the driver waits before it ends the worker. */
const TIMED_GRACE_MS = TIMEOUT_GRACE_MS / 2
const CANCELLED_GRACE_MS = CANCEL_GRACE_MS / 2

/** Groups on their way into the store while further tasks run. */
const COMMITTING_MAX = 512

/** How long changes of a task wait for those of others, while tasks end: some times what a group costs by itself. */
const JOINED_MS_MAX = 8

/** Tasks that are looked at for one that may begin before those in front of it. */
const LOOKS_MAX = 16

/** Runs tasks one after the other. A task's commit is not waited for: what depends on it is sent only after it was reported. */
export class TaskLane {
  readonly #queue: Queued[] = []
  #next = 0
  readonly #bodies = new Map<number, Body>()
  readonly #committing = new Set<Promise<void>>()
  readonly #ahead = new Ahead()
  /** Attempts that wait for something. More than one only while all but one wait for children. */
  readonly #running = new Map<Attempt, Queued>()
  /** Tasks whose functions or modules are on their way. */
  readonly #preparing = new Set<Queued>()
  /** Attempts that do nothing but wait for children elsewhere. */
  readonly #suspended = new Set<Attempt>()
  #onSuspended: (() => void) | undefined
  readonly #joints = new JointCommits((way) => this.#underWay(way))
  /** When the first of those that have not left ended. */
  #joinedAt = 0
  readonly #following: Following
  #pumping = false
  /** When the task before ended, if nothing was waited for since: a look at the clock costs as much as an empty task. */
  #now: number | undefined

  constructor(
    readonly box: ReportBox,
    readonly tell: (message: FromWorker) => void,
    readonly others: Others,
  ) {
    this.#following = new Following(box)
  }

  /** From now on tasks may follow those of other lanes. */
  share(slots: LaneSlots): void {
    this.#following.share(slots)
  }

  push(queued: Queued): void {
    this.#queue.push(queued)
    if (queued.slot !== NO_SLOT) this.#following.keep(queued)
  }

  /** Takes a task back that has not begun. */
  take(task: number, attempt: number): boolean {
    const at = this.#queue.findIndex((q, i) => i >= this.#next && q.task === task && q.number === attempt)
    const [taken] = at >= 0 ? this.#queue.splice(at, 1) : []
    if (taken) this.#ahead.take(taken)
    return taken !== undefined
  }

  /** Whether any task of a store has still to begin. */
  hasTasksOf(store: Queued['store']): boolean {
    for (const queued of this.#preparing) if (queued.store === store) return true
    return this.#queue.some((queued, at) => at >= this.#next && queued.store === store)
  }

  runningNow(): readonly Attempt[] {
    return [...this.#running.keys()]
  }

  isRunning(attempt: Attempt): boolean {
    return this.#running.has(attempt)
  }

  /** Resolves when what tasks have changed until now is in their stores, or has failed. */
  async committed(): Promise<void> {
    this.#joints.leave()
    await Promise.allSettled([...this.#committing])
  }

  /**
   * Tells the body that runs to stop. Whoever asks ends this worker if it does not; beside a parent of others, which would go with the worker, it
   * is rather left to itself: nobody waits for it, and nothing of it is stored.
   */
  abort(task: number, attempt: number, isLate: boolean): void {
    for (const queued of this.#preparing) if (queued.task === task && queued.number === attempt) queued.isCancelled ||= !isLate
    for (const [now, queued] of this.#running) {
      if (queued.task !== task || queued.number !== attempt) continue
      now.abort()
      queued.isCancelled ||= !isLate
      setTimeout(() => this.#leave(now, queued), queued.isTimed ? TIMED_GRACE_MS : CANCELLED_GRACE_MS).unref()
    }
  }

  #leave(attempt: Attempt, queued: Queued): void {
    if (!this.#running.has(attempt) || this.#running.size === 1) return
    attempt.isLeft = true
    this.#over(attempt)
    this.#failed(queued, new Error(`task ${queued.place.name} did not stop when it was asked to`))
    this.box.send()
    this.#onSuspended?.()
  }

  /**
   * Begins to work; tasks that lead or follow others only after all messages that have come. Else each message would be worked off, and reported,
   * before the next one is read, and the other lane waits. A task by itself would only lose time by that, some 50 microseconds.
   */
  pump(): void {
    if (this.#pumping) return
    this.#pumping = true
    if (this.#queue.at(-1)?.slot === NO_SLOT) void this.#runAll()
    else setImmediate(() => void this.#runAll())
  }

  async #runAll(): Promise<void> {
    this.#ahead.look(this.#queue, this.#next)
    for (;;) {
      const queued = this.#shift()
      if (!queued) {
        if (this.#next >= this.#queue.length) break
        await this.#untilFree()
        continue
      }
      const over = this.#run(queued)
      this.#ahead.look(this.#queue, this.#next)
      if (over) await this.#waited(Promise.race([over, this.#suspension()]))
      if (this.#isLeaveDue) await this.#depart()
      if (this.#committing.size >= COMMITTING_MAX) await this.#waited(Promise.race(this.#committing))
      this.box.sendIfDue((this.#now ??= performance.now()))
    }
    this.#now = undefined
    this.#pumping = false
    this.box.send()
  }

  /** The store gets a turn of the event loop for what has left. */
  async #depart(): Promise<void> {
    this.#joints.leave()
    await this.#waited(new Promise(setImmediate))
  }

  async #waited(promise: Promise<void>): Promise<void> {
    await promise
    this.#now = undefined
  }

  /** The next task that waits for no other one. */
  #shift(): Queued | undefined {
    for (let at = this.#next; at < this.#queue.length && at < this.#next + LOOKS_MAX; at++) {
      const queued = this.#queue[at]!
      const may = queued.slot === NO_SLOT ? May.GO : this.#following.claim(queued)
      if (may === May.WAIT) continue
      if (at === this.#next) this.#next++
      else this.#queue.splice(at--, 1)
      if (may === May.GO) return queued
    }
    if (this.#next < this.#queue.length) return undefined
    this.#queue.length = 0
    this.#next = 0
    return undefined
  }

  /** Nothing can begin before another lane has ended something. */
  async #untilFree(): Promise<void> {
    this.#now = undefined
    const head = this.#queue[this.#next]!
    if (this.#following.look(head) || this.#dropTaken()) return
    this.box.sendIfDue(performance.now())
    // Messages are read in between: what others wait for may be among them.
    if (!this.#following.sleep(head)) await new Promise(setImmediate)
  }

  /** Whether the driver had any of those back that are looked at next. */
  #dropTaken(): boolean {
    const before = this.#queue.length
    for (let at = Math.min(before, this.#next + LOOKS_MAX) - 1; at >= this.#next; at--)
      if (this.#queue[at]!.slot !== NO_SLOT && this.#following.isTaken(this.#queue[at]!)) this.#queue.splice(at, 1)
    return this.#queue.length < before
  }

  // ---- running

  /** A promise when something has to be waited for. */
  #run(queued: Queued): Promise<void> | undefined {
    const { place, store, ready } = queued
    const body = this.#bodies.get(place.index)
    if (ready || !body || isPromiseLike(store)) return this.#prepared(queued, body)
    return this.#attempt(queued, store, body)
  }

  async #prepared(queued: Queued, known: Body | undefined): Promise<void> {
    this.#preparing.add(queued)
    try {
      const store = await queued.store
      await queued.ready
      const body = known ?? (await findBody(queued.place, (name, others) => this.#named(queued.place, name, others)))
      this.#bodies.set(queued.place.index, body)
      this.#preparing.delete(queued)
      if (queued.isCancelled) throw new Error('it was cancelled before it began')
      await this.#attempt(queued, store, body)
    } catch (error) {
      this.#preparing.delete(queued)
      this.#failed(queued, error)
    }
    // Beside parents that do nothing but wait, the lane may have looked away while the function was fetched.
    if (!this.#pumping) this.#tellSoon()
  }

  #named(place: FnPlace, name: string, others: readonly NamedSite[]): void {
    place.name = name
    this.tell({ do: 'named', fn: place.index, name, others })
  }

  #attempt(queued: Queued, store: Store, body: Body): Promise<void> | undefined {
    const began = this.#now ?? performance.now()
    const attempt: Attempt = new Attempt(queued.name, queued.number, () => this.#scopeOf(queued, attempt))
    queued.running = attempt
    if (queued.isTimed) this.tell({ do: 'began', task: queued.task, attempt: queued.number })
    try {
      const ended = beginAttempt(store, queued, body, this.#ahead.take(queued))
      if (!isPromiseLike(ended)) return this.#ended(queued, attempt, began, ended)
      this.#running.set(attempt, queued)
      return this.#later(queued, attempt, began, ended as Promise<Ended>)
    } catch (error) {
      this.#failed(queued, error)
    }
    return undefined
  }

  async #later(queued: Queued, attempt: Attempt, began: number, ended: Promise<Ended>): Promise<void> {
    try {
      const how = await ended
      this.#now = undefined
      this.#over(attempt)
      this.#ended(queued, attempt, began, how)
    } catch (error) {
      if (attempt.isLeft) return
      this.#over(attempt)
      await this.#failedLater(queued, error)
    }
    // It had been left to itself while it waited for its children.
    if (!this.#pumping) this.#tellSoon()
  }

  // ---- children

  #scopeOf(queued: Queued, attempt: Attempt): NestedScope {
    const scope = new NestedScope(queued.key, queued, this.others.of(queued.task))
    scope.onChange = () => this.#setSuspended(attempt, scope.isWaiting)
    return scope
  }

  /** A parent that waits frees its slot. */
  #setSuspended(attempt: Attempt, isSuspended: boolean): void {
    if (this.#suspended.has(attempt) === isSuspended) return
    if (isSuspended) this.#suspended.add(attempt)
    else this.#suspended.delete(attempt)
    this.tell({ do: 'slots', slots: 1 + this.#suspended.size })
    if (isSuspended) this.#onSuspended?.()
  }

  /** Resolves when the attempt that runs, or another, comes to wait. */
  #suspension(): Promise<void> {
    if (this.#suspended.size > 0 && this.#suspended.size === this.#running.size) return Promise.resolve()
    return new Promise((resolve) => (this.#onSuspended = resolve))
  }

  #over(attempt: Attempt): void {
    this.#running.delete(attempt)
    this.#setSuspended(attempt, false)
  }

  #ended(queued: Queued, attempt: Attempt, began: number, { outcome, changes, waitedMs = 0 }: Ended): undefined {
    // A wait for arguments is not the task's: the more tasks are at hand, the less there is to wait.
    this.#now = performance.now()
    const microseconds = (this.#now - began - waitedMs) * 1000
    const children = attempt.scopeIfAny?.effects
    // What its children read and did is not known from here.
    const own = outcome && attempt.scopeIfAny ? { ...outcome, seen: undefined } : outcome
    if (own) this.#done(queued, microseconds, withChildren(own, children))
    else {
      this.box.ran(queued.task, queued.number, microseconds)
      this.#commit(queued, microseconds, changes!, children)
    }
  }

  #done(queued: Queued, microseconds: number, outcome: Outcome): void {
    if (queued.slot !== NO_SLOT) this.#following.publish(queued, outcome)
    this.box.done(queued.task, queued.number, microseconds, outcome)
  }

  // ---- committing

  #commit(queued: Queued, microseconds: number, changes: Changes, children: readonly ChildEffects[] | undefined): void {
    const leaving: Leaving = {
      changes,
      committed: (outcome) => this.#done(queued, microseconds, withChildren(outcome, children)),
      failed: (error) => this.#failedLater(queued, error),
    }
    // A task of limited time is let be once it commits, which the driver sees only of what goes by itself.
    if (queued.isTimed) return this.#underWay(alone(leaving))
    if (this.#joints.size === 0) {
      this.#joinedAt = this.#now!
      setImmediate(() => this.#joints.leave())
    }
    this.#joints.add(leaving)
  }

  #underWay(way: Promise<void>): void {
    const told = way.then(() => {
      this.#committing.delete(told)
      if (!this.#pumping) this.#tellSoon()
    })
    this.#committing.add(told)
  }

  /** Together while tasks end one after the other, but none waits long for others to end. */
  get #isLeaveDue(): boolean {
    return this.#joints.isFull || (this.#joints.size > 0 && this.#now! - this.#joinedAt > JOINED_MS_MAX)
  }

  /** Receipts of one batch of the store come as messages in a row: one report for them. */
  #tellSoon(): void {
    if (this.#telling) return
    this.#telling = true
    setImmediate(() => {
      this.#telling = false
      if (!this.#pumping) this.box.send()
    })
  }
  #telling = false

  /** Who met a conflict is told a little later, the longer the more often: whoever was faster would be so again. */
  async #failedLater(queued: Queued, error: unknown): Promise<void> {
    if (error instanceof ConflictError && error.retryable) await backOff(queued.number - 1)
    this.#failed(queued, error)
  }

  #failed(queued: Queued, thrown: unknown): void {
    try {
      this.#tellFailed(queued, thrown)
    } catch (cause) {
      // Who throws what cannot even be looked at has failed all the same.
      this.#tellFailed(queued, new Error('what the body threw cannot be shown', { cause }))
    }
  }

  #tellFailed({ task, number: attempt, again, place, isCancelled }: Queued, thrown: unknown): void {
    const error = again && !(thrown instanceof LostValueError) ? notAgain(place.name, thrown) : thrown
    if (error instanceof ConflictError && error.retryable) return this.box.conflicted({ task, attempt })
    if (!isCancelled && isInsituError(error) && error.code === 'ERR_TASK_GIVEN_UP')
      return this.box.conflicted({ task, attempt, isGivenUp: true })
    const sent = { task, attempt, error: encodeError(error), className: classNameOf(error) }
    // Whether it was committed is for the mark to say, when the task runs again.
    if (error instanceof UnknownOutcomeError) return this.box.conflicted(sent)
    this.box.failed({ ...sent, retryable: !isInsituError(error) || error.retryable || error.code === 'ERR_UNAVAILABLE' })
  }
}

/** Whatever keeps a value from being made again: it is lost. */
const notAgain = (name: string, cause: unknown): Error =>
  new LostValueError(`a value that ${name} had made was lost with its host, and cannot be made again`, { task: name, cause })

const withChildren = (outcome: Outcome, children: readonly ChildEffects[] | undefined): Outcome =>
  children && children.length > 0 ? { ...outcome, children } : outcome
