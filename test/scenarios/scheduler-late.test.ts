import { expect } from 'chai'
import fc from 'fast-check'
import {
  Access,
  type Commands,
  checkInvariants,
  createState,
  dump,
  Kind,
  type RuntimeEvent,
  Status,
  step,
} from '../../runtime/scheduler/index.js'

const DATA = 4
const access = fc.record({
  datum: fc.nat(DATA - 1),
  access: fc.constantFrom(Access.READ, Access.READ, Access.WRITE, Access.WRITE, Access.CONCURRENT, Access.COMMUTATIVE, Access.DELETE),
})
const program = fc.record({
  tasks: fc.array(
    fc.record({ accesses: fc.array(access, { maxLength: 3 }), promises: fc.constantFrom(0, 0, 1, 2), fails: fc.nat(9), policy: fc.nat(2) }),
    { minLength: 2, maxLength: 14 },
  ),
  /** What each promise brings, and what happens next. */
  brings: fc.array(fc.array(access, { maxLength: 2 }), { minLength: 28, maxLength: 28 }),
  choices: fc.array(fc.nat(99), { maxLength: 60 }),
})
type Program = typeof program extends fc.Arbitrary<infer T> ? T : never

/** Tells `step` what happens, and keeps what it has begun. */
class World {
  readonly state = createState({ seals: false })
  readonly running: { readonly worker: number; readonly task: number; readonly attempt: number }[] = []
  readonly promises: number[] = []
  #submitted = 0
  #brought = 0

  constructor(readonly program: Program) {
    this.#step({ on: 'DataDeclared', first: 0, count: DATA, kind: Kind.KEPT })
    this.#step({ on: 'WorkersJoined', workers: [0, 1].map((worker) => ({ worker, slots: 2, host: 0 })) })
  }

  #step(event: RuntimeEvent): void {
    this.#take(step(this.state, [event], 0))
    checkInvariants(this.state)
  }

  #take(commands: Commands): void {
    for (const command of commands)
      if (command.do === 'StartTasks')
        for (const [i, task] of command.tasks.entries()) this.running.push({ worker: command.worker, task, attempt: command.attempts[i]! })
  }

  submit(): boolean {
    const task = this.#submitted
    const spec = this.program.tasks[task]
    if (!spec) return false
    this.#submitted++
    for (let i = 0; i < spec.promises; i++) this.promises.push(task)
    const accesses = spec.accesses.flatMap((one) => [task, one.datum, one.access])
    this.#step({ on: 'TasksSubmitted', first: task, count: 1, fn: [0], policy: [spec.policy], promises: [spec.promises], accesses })
    return true
  }

  arrive(pick: number): boolean {
    if (this.promises.length === 0) return false
    const [task] = this.promises.splice(pick % this.promises.length, 1) as [number]
    const brings = this.program.brings[this.#brought++]!
    this.#step({ on: 'InputsArrived', tasks: [task], accesses: brings.flatMap((one) => [task, one.datum, one.access]) })
    return true
  }

  end(pick: number): boolean {
    if (this.running.length === 0) return false
    const [{ worker, task, attempt }] = this.running.splice(pick % this.running.length, 1) as [World['running'][0]]
    const report = { worker, tasks: [task], attempts: [attempt] }
    if (this.program.tasks[task]!.fails > 0) this.#step({ on: 'TasksFinished', ...report })
    else this.#step({ on: 'TasksFailed', retryable: false, ...report })
    return true
  }

  see(pick: number): boolean {
    const failed = this.#all((status) => status === Status.FAILED || status === Status.CANCELLED)
    if (failed.length > 0) this.#step({ on: 'FailuresSeen', tasks: [failed[pick % failed.length]!] })
    return false
  }

  get pending(): readonly number[] {
    return this.#all((status) => status < Status.DONE)
  }

  #all(isSo: (status: number) => boolean): number[] {
    return Array.from({ length: this.#submitted }, (_, task) => task).filter((task) => isSo(this.state.tasks.status[task]!))
  }
}

describe('scheduler: promises of the program', () => {
  it('whatever they bring, and whenever, nothing waits for ever', () => {
    fc.assert(
      fc.property(program, (random) => {
        const world = new World(random)
        for (const choice of random.choices) {
          const acts = [() => world.submit(), () => world.arrive(choice), () => world.end(choice), () => world.see(choice)]
          acts[choice % acts.length]!()
        }
        while (world.submit() || world.arrive(0) || world.end(0));
        expect(world.pending, dump(world.state)).to.deep.equal([])
      }),
      { numRuns: Number(process.env['INSITU_RANDOM_RUNS'] ?? 300) },
    )
  })
})
