/**
 * One run of a program on a simulated cluster: the scheduler's own step, the commit protocol over stores of several domains, and the
 * moves of values between hosts, on one virtual clock. Hosts and workers die, freeze and are declared lost too early; messages are
 * late, doubled and overtake one another; calls of stores fail. After every step the laws of the scheduler are checked, after every
 * decision those of the stores; at the end all must have settled, and everything must be as if the program had run in order, once.
 *
 * A long file: the driver, what goes wrong and the judge all look at the whole state of a run.
 */

import {
  Access,
  type Command,
  checkInvariants,
  createState,
  dump,
  Kind,
  Policy,
  type RuntimeEvent,
  type RuntimeState,
  step as realStep,
  Status,
} from '../../runtime/scheduler/index.js'
import type { Mark, Ref } from '../../src/backend.js'
import { giveUp } from '../../src/commit/index.js'
import { UnavailableError, UnknownOutcomeError } from '../../src/errors.js'
import { findName, increment, readObjects } from './programs.js'
import { type Protocol, realProtocol } from './protocol.js'
import { Random } from './random.js'
import { type RunProgram, type RunTask, randomProgram, START, valuesInOrder, writes } from './run-program.js'
import { type Ended, type Held, keyOf, numberOf, RunHost, RunWorker, type Start } from './run-worker.js'
import { Client, LEASE_MS, World } from './world.js'

/** What may be wrong with a run, for canaries; the real one has nothing of it. */
export interface Variant {
  readonly step?: (state: RuntimeState, events: readonly RuntimeEvent[], now: number) => readonly Command[]
  readonly protocol?: Protocol
  /** False: tasks commit without a mark. */
  readonly marks?: boolean
  /** False: nobody says which values went with a host. */
  readonly tellsLosses?: boolean
  /** False: the end of a fetch is not told. */
  readonly endsFetches?: boolean
  /** Lost values are made again whatever their tasks had read and written. */
  readonly remakes?: 'blindly'
  /** False: tasks that are given up leave no mark. */
  readonly seals?: boolean
}

/** A task that was with three lost workers fails, so there are at most two losses in a run. */
const LOSSES = 2
const LOSS = 0.004
/** Steps of the network in which things go wrong; and in which all must have settled after that. */
const TROUBLE_STEPS = 1500
const STEPS_MAX = 40_000

interface Finished {
  readonly value: number
  readonly name: string
  readonly stamps?: readonly string[]
}

interface About {
  readonly worker: number
  readonly tasks: number[]
  readonly attempts: number[]
}

type Outcome = 'done' | 'ignored' | 'failed' | 'cancelled'

export class ClusterRun {
  readonly world: World
  readonly program: RunProgram
  readonly hosts: RunHost[] = []
  readonly #workers: RunWorker[] = []
  readonly #state: RuntimeState = createState({ linkBytesPerUs: 100, fetchesAhead: true, seals: true })
  readonly #step: NonNullable<Variant['step']>
  readonly #driver: Client
  readonly #random: Random
  /** The program's, and behind them those that make lost values again. */
  readonly #tasks: RunTask[]
  /** The task that last made a lost value again, by whose value it is. */
  readonly #madeBy = new Map<number, number>()
  /** Data that the scheduler knows each task to read. */
  readonly #inputs = new Map<number, readonly number[]>()
  /** Stamps of what tasks read that write nothing. */
  readonly #stamps = new Map<number, readonly string[]>()
  readonly #expected: number[]
  readonly #outcomes: (Outcome | undefined)[] = []
  /** Values that came with reports. */
  readonly #values = new Map<number, number>()
  /** What hosts call the values that they keep. */
  readonly #names = new Map<number, string>()
  #executions = 0
  readonly #released = new Set<number>()
  /** Tasks that failed because a value they read was lost. */
  readonly #lostInput = new Set<number>()
  /** Tasks that the program has cancelled; they may be done all the same. */
  readonly #cancelled = new Set<number>()
  #events: RuntimeEvent[] = []
  #submitted = 0
  #losses = LOSSES
  #isOver = false
  #ending: Promise<void> | undefined
  #strangers = 3
  moves = 0
  remade = 0
  lost = 0
  /** Messages that came twice. */
  doubled = 0
  /** Tasks given up that had an attempt nobody heard of. */
  sealed = 0

  constructor(
    readonly seed: number,
    readonly variant: Variant = {},
  ) {
    this.#random = new Random(seed ^ 0x5bd1e995)
    this.program = randomProgram(this.#random)
    this.#tasks = [...this.program.tasks]
    this.world = new World(seed, variant.protocol ?? realProtocol, this.program.own + this.program.contended)
    this.#expected = [...valuesInOrder(this.program)]
    this.#step = variant.step ?? realStep
    this.#driver = new Client(this.world, 'driver')
    for (let h = 0; h < 2 + this.#random.below(2); h++) this.hosts.push(new RunHost(this, h))
    for (let w = 0; w < this.hosts.length + this.#random.below(3); w++) this.#startWorker(w)
    this.#events.push({ on: 'NeedsDeclared', first: 1, needs: [{ units: 2, memoryMb: 0, labels: [] }] })
    this.#events.push({ on: 'DataDeclared', first: 0, count: this.world.accounts.length, kind: Kind.KEPT })
    this.#submit()
    this.#settleSoon()
    this.#strange()
  }

  get over(): boolean {
    return this.#isOver || this.violations.length > 0
  }

  get violations(): readonly string[] {
    return this.world.truth.violations
  }

  get steps(): number {
    return this.world.network.step
  }

  taskAt = (task: number): RunTask => this.#tasks[task]!

  /** Who made the value of a task that is in use now. */
  #maker = (task: number): number => this.#madeBy.get(task) ?? task

  datumOf = (task: number): number => this.world.accounts.length + task

  /** Own accounts first, then the contended one. */
  accountsOf({ own, contended }: RunTask): readonly Ref[] {
    const all = own.map(({ account }) => this.world.accounts[account]!)
    return contended === undefined ? all : [...all, this.world.accounts[this.program.own + contended]!]
  }

  homeOf = (task: RunTask): Ref => this.accountsOf(task)[0]!

  /** A message on its way; whoever sent or awaits it may die meanwhile. */
  async hop(caller: Client['caller']): Promise<void> {
    const isSlow = !this.world.network.calm && this.#random.chance(0.05)
    await this.world.network.sleep(caller, 1 + this.#random.below(isSlow ? 400 : 8))
  }

  onMoved(name: string, to: RunHost): void {
    this.moves++
    if (to.moved.has(name)) this.#fault(`value ${name} moved to host ${to.index} twice`)
    to.moved.add(name)
  }

  // ---- one event of the world

  next(): void {
    const { network } = this.world
    if (network.step > TROUBLE_STEPS) network.calm = true
    if (network.step > STEPS_MAX) return this.#fault(`hangs:\n${dump(this.#state)}`)
    if (!network.calm && this.#losses > 0 && this.#random.chance(LOSS * network.harshness)) this.#lose()
    if (this.#allSettled && !this.#ending) this.#ending = this.#end()
    if (!network.next() && !this.#ending) this.#fault(`nothing can happen any more:\n${dump(this.#state)}`)
  }

  get #allSettled(): boolean {
    return this.#submitted >= this.program.tasks.length && this.#tasks.every((_, t) => this.#outcomes[t] !== undefined)
  }

  #fault(what: string): void {
    this.world.truth.fault(what)
  }

  // ---- what the program does

  /** Some tasks at a time, so that later ones meet those that run already. */
  #submit(): void {
    const first = this.#submitted
    const tasks = this.program.tasks.slice(first, first + 1 + this.#random.below(8))
    if (tasks.length === 0) return
    this.#submitted += tasks.length
    this.#events.push({ on: 'DataDeclared', first: this.datumOf(first), count: tasks.length, kind: Kind.RENAMED, holds: 1 })
    this.#events.push({
      on: 'TasksSubmitted',
      first,
      count: tasks.length,
      fn: tasks.map(({ ms }) => ms % 4),
      policy: tasks.map(({ failures, isIgnored }) => (isIgnored ? Policy.IGNORE : failures > 0 ? Policy.RETRY : Policy.CANCEL_SUCCESSORS)),
      microseconds: tasks.map(({ isTold, ms }) => (isTold ? ms * 1000 : -1)),
      need: tasks.map(({ units }) => units - 1),
      accesses: tasks.flatMap((task, i) => this.#accessesOf(first + i, task)),
    })
    void this.hop(this.#driver.caller).then(() => {
      if (this.#submitted < this.program.tasks.length) this.#submit()
      else this.#letGo()
      this.#turn()
    })
  }

  #accessesOf(t: number, { reads, own, contended }: RunTask): number[] {
    const inputs = reads.map((read) => this.datumOf(this.#maker(read))).filter((datum) => !this.#released.has(datum))
    this.#inputs.set(t, inputs)
    const accesses: [number, number][] = inputs.map((datum) => [datum, Access.READ])
    for (const { account, isWritten } of own) accesses.push([account, isWritten ? Access.WRITE : Access.READ])
    if (contended !== undefined) accesses.push([this.program.own + contended, Access.COMMUTATIVE])
    accesses.push([this.datumOf(t), Access.WRITE])
    return accesses.flatMap(([datum, access]) => [t, datum, access])
  }

  /** Results that the program does not keep go once no task needs them. */
  #letGo(): void {
    const data = this.program.tasks.flatMap(({ isKept }, t) => (isKept ? [] : [this.datumOf(t)]))
    if (data.length > 0) this.#events.push({ on: 'DataReleased', data })
  }

  /** Programs beside the run: they write what tasks write too, and read what tasks are about to write. */
  #strange(): void {
    if (this.#strangers-- <= 0) return
    const client = new Client(this.world, 'stranger')
    const contended = this.world.accounts.slice(this.program.own)
    const look = (): Promise<unknown> => readObjects(client, this.world.accounts).catch(unlessUnreachable)
    void increment(client, contended)
      .then(look)
      .then(
        () => this.#strange(),
        (error: Error) => this.#fault(`a stranger broke: ${error.stack}`),
      )
  }

  // ---- the driver

  #settleSoon(): void {
    void this.hop(this.#driver.caller).then(() => this.#turn())
  }

  #turn(): void {
    const events = this.#events
    this.#events = []
    if (this.violations.length > 0) return
    try {
      const commands = this.#step(this.#state, events, this.world.network.nowMs)
      checkInvariants(this.#state)
      for (const command of commands) this.#perform(command)
    } catch (error) {
      // An impossible event stops the scheduler: a violation like any other.
      this.#fault((error as Error).message)
    }
  }

  #perform(command: Command): void {
    switch (command.do) {
      case 'TasksSettled':
        for (const task of command.tasks) this.#settled(task, command.outcome)
        return
      case 'StartTasks':
        for (const [i, task] of command.tasks.entries()) this.#start(command.worker, task, command.attempts[i]!)
        return
      case 'RecallTasks':
        for (const [i, task] of command.tasks.entries()) this.#recall(command.worker, task, command.attempts[i]!)
        return
      case 'SealTasks':
        for (const task of command.tasks) void this.#seal(task)
        return
      case 'FetchData':
        for (const datum of command.data) this.#fetchAhead(command.host, datum)
        return
      case 'ReleaseData':
        for (const datum of command.data) this.#release(datum)
        return
      case 'ReplaceWorkers':
        for (const worker of command.workers) void this.hop(this.#driver.caller).then(() => this.#replace(worker))
        return
      case 'WakeAt':
        void this.world.network.sleep(this.#driver.caller, command.at - this.world.network.nowMs).then(() => {
          this.#events.push({ on: 'TimePassed' })
          this.#turn()
        })
        return
      default:
        return command satisfies never
    }
  }

  /** Sends something, late, and now and then twice. */
  #post(to: Client, land: () => void): void {
    const copies = !this.world.network.calm && this.#random.chance(0.06) ? 2 : 1
    this.doubled += copies - 1
    for (let i = 0; i < copies; i++) void this.hop(to.caller).then(land)
  }

  #start(index: number, task: number, attempt: number): void {
    const worker = this.#workers[index]!
    const { reads } = this.#tasks[task]!
    for (const read of reads)
      if (this.#outcomes[read] !== 'done')
        this.#fault(`task ${task} starts though task ${read}, which it reads, is ${this.#outcomes[read]}`)
    const values = new Map(reads.flatMap((read) => (this.#values.has(read) ? [[read, this.#values.get(read)!]] : [])))
    const held = new Map(reads.flatMap((read) => (values.has(read) ? [] : [[read, this.#heldOf(this.datumOf(this.#maker(read)))]])))
    this.#post(worker.client, () => worker.take({ task, attempt, values, held }))
  }

  #recall(index: number, task: number, attempt: number): void {
    const worker = this.#workers[index]!
    this.#post(worker.client, () => {
      if (worker.recall(task, attempt)) this.#hear({ on: 'TasksReturned', worker: index, tasks: [task], attempts: [attempt] })
    })
  }

  /** No attempt of the task commits from now on; or one has. */
  async #seal(task: number): Promise<void> {
    const about = this.#tasks[task]!
    const mark = writes(about) && this.variant.seals !== false ? await this.#giveUp(task) : undefined
    await this.hop(this.#driver.caller)
    if (mark?.state !== 'committed') return this.#hear({ on: 'TasksSealed', tasks: [task] })
    this.#values.set(task, numberOf(mark.outcome))
    this.#hear({ on: 'TasksCommitted', tasks: [task] })
  }

  async #giveUp(task: number): Promise<Mark> {
    const home = this.homeOf(this.#tasks[task]!)
    for (;;) {
      try {
        const mark = await giveUp({ backend: this.#driver.backendOf(home), ref: home }, keyOf(task), this.#driver.options)
        if (mark.state === 'aborted') this.world.truth.onGivenUp(keyOf(task))
        this.sealed++
        return mark
      } catch (error) {
        unlessUnreachable(error)
      }
    }
  }

  /** By what the scheduler knows, as a driver would. */
  #holdersOf(datum: number): number[] {
    const { data, locations } = this.#state
    const holders: number[] = []
    for (let l = data.location[datum] ?? -1; l !== -1; l = locations.next[l]!) holders.push(locations.host[l]!)
    return holders
  }

  #heldOf(datum: number): Held {
    return { name: this.#names.get(datum)!, holders: this.#holdersOf(datum) }
  }

  #fetchAhead(index: number, datum: number): void {
    const host = this.hosts[index]!
    const held = this.#heldOf(datum)
    this.#post(host.client, () => {
      void host.fetch(held).then((isHere) => this.#endFetch(host, datum, isHere))
    })
  }

  #endFetch(host: RunHost, datum: number, isHere: boolean): void {
    if (this.variant.endsFetches === false && this.#random.chance(0.3)) return
    this.#post(this.#driver, () => {
      // A host that was lost meanwhile holds nothing, whatever it said.
      const isStill = isHere && this.hosts[host.index] === host && host.isAlive
      if (isStill && !this.#released.has(datum))
        this.#events.push({ on: 'LocationsLearned', data: [datum], hosts: [host.index], bytes: [this.#bytesOf(datum)] })
      this.#hear({ on: 'FetchesEnded', host: host.index, data: [datum] })
    })
  }

  #bytesOf = (datum: number): number => this.#tasks[datum - this.world.accounts.length]!.bytes

  #release(datum: number): void {
    this.#released.add(datum)
    if (this.#isNeeded(datum)) this.#fault(`datum ${datum} is released though a task needs it`)
    const name = this.#names.get(datum)
    if (name !== undefined) for (const host of this.hosts) this.#post(host.client, () => host.values.delete(name))
  }

  #isNeeded(datum: number): boolean {
    return [...this.#inputs].some(([task, inputs]) => this.#outcomes[task] === undefined && inputs.includes(datum))
  }

  #hear(event: RuntimeEvent): void {
    this.#events.push(event)
    this.#turn()
  }

  /** An attempt has ended; the value of a large one stays on its host. */
  report(worker: RunWorker, { task, attempt }: Start, ended: Ended): void {
    const { bytes, ms } = this.#tasks[task]!
    const name = `${task}/${this.#executions++}`
    if (ended.how === 'finished' && bytes > 0) worker.host.values.set(name, ended.value)
    const about = { worker: worker.index, tasks: [task], attempts: [attempt] }
    this.#post(this.#driver, () => {
      if (ended.how === 'finished') return this.#onFinished(worker, about, { ...ended, name }, ms)
      if (ended.how === 'failed') return this.#hear({ on: 'TasksFailed', ...about, retryable: ended.retryable })
      if (ended.how === 'conflicted') return this.#hear({ on: 'TasksConflicted', ...about })
      this.#onLostInput(about, ended.read)
    })
  }

  #isCurrent(worker: number, task: number, attempt: number): boolean {
    const { tasks } = this.#state
    return tasks.status[task] === Status.ASSIGNED && tasks.at[task] === worker && tasks.attempt[task] === attempt
  }

  #onFinished(worker: RunWorker, about: About, { value, name, stamps = [] }: Finished, ms: number): void {
    const [task] = about.tasks as [number]
    if (this.#isCurrent(about.worker, task, about.attempts[0]!)) {
      if (value !== this.#expected[task]) this.#fault(`task ${task} gave ${value}, and in order gives ${this.#expected[task]}`)
      const { bytes } = this.#tasks[task]!
      this.#stamps.set(task, stamps)
      if (bytes === 0) this.#values.set(task, value)
      else {
        this.#names.set(this.datumOf(task), name)
        this.#events.push({ on: 'LocationsLearned', data: [this.datumOf(task)], hosts: [worker.host.index], bytes: [bytes] })
      }
    }
    this.#hear({ on: 'TasksFinished', ...about, microseconds: [ms * 1000] })
  }

  /** Some other host may hold it by now; if none does it is made again, where that gives the same value; else the task fails. */
  #onLostInput(about: About, read: number | undefined): void {
    const [task] = about.tasks as [number]
    if (!this.#isCurrent(about.worker, task, about.attempts[0]!)) return
    if (read === undefined) return this.#failLost(about)
    const maker = this.#maker(read)
    const outcome = this.#outcomes[maker]
    if (outcome === 'done' && this.#holdersOf(this.datumOf(maker)).length > 0) return this.#hear({ on: 'TasksReturned', ...about })
    if (outcome === undefined) return this.#hear({ on: 'InputsLost', ...about, data: [this.datumOf(maker)] })
    if (outcome !== 'done' || !this.#canBeMadeAgain(read)) return this.#failLost(about)
    // The simulation numbers what it submits: the program first.
    if (this.#submitted < this.program.tasks.length) return this.#hear({ on: 'TasksReturned', ...about })
    this.#makeAgain(read)
    this.#hear({ on: 'InputsLost', ...about, data: [this.datumOf(this.#maker(read))] })
  }

  #failLost(about: About): void {
    this.#lostInput.add(about.tasks[0]!)
    this.#hear({ on: 'TasksFailed', ...about, retryable: false })
  }

  /** Its task changed nothing that is stored, and the values that it read can still be had. */
  #canBeMadeAgain(task: number): boolean {
    const { reads } = this.program.tasks[task]!
    if (this.variant.remakes === 'blindly') return reads.every((read) => this.#canBeRead(read))
    return !writes(this.program.tasks[task]!) && reads.every((read) => this.#canBeRead(read))
  }

  #canBeRead = (task: number): boolean => this.#values.has(task) || !this.#released.has(this.datumOf(this.#maker(task)))

  #makeAgain(of: number): void {
    this.remade++
    const original = this.program.tasks[of]!
    const stamps = this.variant.remakes === 'blindly' ? [] : this.#stamps.get(of)!
    const task = this.#submitted++
    this.#tasks.push({
      ...original,
      own: original.own.map((own) => ({ ...own, isWritten: false })),
      contended: undefined,
      failures: 0,
      again: { of, stamps },
    })
    this.#expected.push(this.#expected[of]!)
    this.#madeBy.set(of, task)
    this.#events.push({ on: 'DataDeclared', first: this.datumOf(task), count: 1, kind: Kind.RENAMED, holds: 1 })
    this.#events.push({
      on: 'TasksSubmitted',
      first: task,
      count: 1,
      fn: [original.ms % 4],
      need: [original.units - 1],
      // Not the accounts: behind a writer that waits for the task that lacks the value it would wait for ever. Their stamps are compared.
      accesses: this.#accessesOf(task, { ...original, own: [], contended: undefined }),
    })
  }

  #settled(task: number, outcome: Outcome): void {
    if (this.#outcomes[task] !== undefined) this.#fault(`task ${task} settles twice`)
    this.#outcomes[task] = outcome
    const { isIgnored, reads } = this.#tasks[task]!
    if ((outcome === 'ignored') !== (isIgnored && outcome !== 'cancelled')) this.#fault(`task ${task} is ${outcome}`)
    if (outcome === 'failed' && !this.#lostInput.has(task)) this.#fault(`task ${task} failed, and nothing that it reads was lost`)
    if (outcome === 'done' && reads.some((read) => this.#outcomes[read] !== 'done'))
      this.#fault(`task ${task} is done before what it reads`)
    if (outcome === 'cancelled' && this.#lostInput.size + this.#cancelled.size === 0)
      this.#fault(`task ${task} was cancelled, and nothing failed`)
  }

  // ---- losses

  #lose(): void {
    const worker = this.#random.pick(this.#workers)
    if (!worker.client.caller.alive) return
    this.#losses--
    this.lost++
    if (this.#random.chance(0.4)) this.#loseHost(worker.host)
    else this.#loseWorker(worker, this.#random.chance(0.4))
  }

  /** Killed; or only taken for dead, and going on. */
  #loseWorker(worker: RunWorker, isFrozen: boolean): void {
    if (!isFrozen) this.world.network.crash(worker.client.caller)
    void this.hop(this.#driver.caller).then(() => {
      if (this.#workers[worker.index] !== worker) return
      const tasks = this.#tasks.flatMap((_, t) => (t < this.#submitted && this.#state.tasks.at[t] === worker.index ? [t] : []))
      this.#hear({ on: 'WorkersLost', workers: [worker.index] })
      if (isFrozen && this.#random.chance(0.5)) this.#cancel(tasks.filter((t) => this.#outcomes[t] === undefined))
    })
  }

  /** The program no longer wants what a worker that was taken for dead is still at. */
  #cancel(tasks: readonly number[]): void {
    for (const task of tasks) this.#cancelled.add(task)
    if (tasks.length > 0) this.#hear({ on: 'TasksCancelled', tasks: [...tasks] })
  }

  #loseHost(host: RunHost): void {
    const workers = this.#workers.filter((worker) => worker.host === host)
    for (const { client } of [host, ...workers]) this.world.network.crash(client.caller)
    void this.hop(this.#driver.caller).then(() => {
      this.hosts[host.index] = new RunHost(this, host.index)
      const data = this.#tasks.slice(0, this.#submitted).map((_, t) => this.datumOf(t))
      const held = this.variant.tellsLosses === false ? [] : data.filter((datum) => this.#holdersOf(datum).includes(host.index))
      const gone = { on: 'LocationsLearned', data: held, hosts: held.map(() => host.index), bytes: held.map(() => 0) } as const
      this.#events.push(gone)
      this.#hear({ on: 'WorkersLost', workers: workers.filter((w) => this.#workers[w.index] === w).map(({ index }) => index) })
    })
  }

  #startWorker(index: number): void {
    const host = this.hosts[index % this.hosts.length]!
    // Each host has room for the widest task.
    const worker = new RunWorker(this, index, index < this.hosts.length ? 2 : 1, host)
    this.#workers[index] = worker
    this.#events.push({ on: 'WorkersJoined', workers: [{ worker: index, slots: worker.slots, host: host.index }] })
  }

  #replace(index: number): void {
    // A host that has just died takes its new workers with it; they come once it has.
    if (!this.hosts[index % this.hosts.length]!.isAlive) return void this.hop(this.#driver.caller).then(() => this.#replace(index))
    this.#startWorker(index)
    this.#turn()
  }

  // ---- the end

  /** No more faults; intents that the dead left are settled by whoever looks, and then all is compared. */
  async #end(): Promise<void> {
    const { network } = this.world
    network.calm = true
    await network.sleep(this.#driver.caller, 2000) // what was given up too early may still be at it
    await this.#recover()
    await this.#judgeValues()
    this.#judgeEffects()
    this.#isOver = true
  }

  async #recover(): Promise<void> {
    const { stores, names, network, truth } = this.world
    for (let times = 0; times < 6; times++) {
      const listed = stores.flatMap((store) => [...store.things.values()].map(({ ref }) => ref)).filter(({ id }) => truth.knows(id))
      await readObjects(this.#driver, listed)
      for (const alias of names) await findName(this.#driver, alias)
      if (stores.every((store) => store.intents.size === 0)) return
      await network.sleep(this.#driver.caller, LEASE_MS + 1)
    }
    this.#fault('intents are left')
  }

  /** What the program kept can be had, unless every host that held it was lost. */
  async #judgeValues(): Promise<void> {
    for (const [t, { isKept, bytes }] of this.program.tasks.entries()) {
      if (!isKept || this.#outcomes[t] !== 'done') continue
      const datum = this.datumOf(this.#maker(t))
      const holders = this.#holdersOf(datum)
      const value =
        bytes === 0 || this.#values.has(t)
          ? this.#values.get(t)
          : holders.map((h) => this.hosts[h]!.values.get(this.#names.get(datum)!)).find((v) => v !== undefined)
      if (value === undefined && (bytes === 0 || holders.length > 0 || this.lost === 0)) this.#fault(`the value of task ${t} is gone`)
      if (value !== undefined && value !== this.#expected[t])
        this.#fault(`task ${t} left ${value}, and in order leaves ${this.#expected[t]}`)
    }
  }

  #judgeEffects(): void {
    const { truth } = this.world
    const sums = Array.from({ length: this.program.own }, () => START)
    for (const [t, task] of this.program.tasks.entries()) {
      const isDone = this.#outcomes[t] === 'done'
      const hasCommitted = this.variant.marks === false ? isDone : truth.taskOf(keyOf(t)) !== undefined
      if (isDone && writes(task) && !hasCommitted) this.#fault(`task ${t} is done, and what it changed is missing`)
      if (!isDone && hasCommitted) this.#fault(`task ${t} is ${this.#outcomes[t]}, and what it changed is stored`)
      if (hasCommitted) for (const { account, isWritten } of task.own) if (isWritten) sums[account]!++
    }
    for (const [account, sum] of sums.entries()) {
      const { id } = this.world.accounts[account]!
      const { n } = truth.now(id)
      if (n !== sum) this.#fault(`account ${account} is ${n}, and ought to be ${sum}`)
      const stored = this.world.storeOf(this.world.accounts[account]!).things.get(id)?.cells.get('n')
      if (stored !== n) this.#fault(`account ${account} is stored as ${String(stored)}, and ought to be ${n}`)
    }
  }
}

function unlessUnreachable(error: unknown): void {
  if (!(error instanceof UnavailableError || error instanceof UnknownOutcomeError)) throw error
}
