import { expect } from 'chai'
import fc from 'fast-check'
import { Access, createState, Kind, NONE, type RuntimeEvent, type RuntimeState, step } from '../../runtime/scheduler/index.js'
import { type Step, World } from './fake-world.js'
import { runs } from './random-program.js'

const property = (subject: Step, lanes: boolean): fc.IPropertyWithHooks<[typeof runs extends fc.Arbitrary<infer R> ? R : never]> =>
  fc.property(runs, (run) => new World(run, subject, lanes).run())

type Submitted = Extract<RuntimeEvent, { on: 'TasksSubmitted' }>

/** A step that is told the wrong thing about accesses. */
const misled =
  (rewrite: (flat: number[], state: RuntimeState) => number[]): Step =>
  (state, events, now) =>
    step(
      state,
      events.map((e) => (e.on === 'TasksSubmitted' ? ({ ...e, accesses: rewrite([...e.accesses], state) } satisfies Submitted) : e)),
      now,
    )

const isKept = (state: RuntimeState, d: number): boolean => state.data.kind[d] === Kind.KEPT

const triples = (flat: number[]): [number, number, number][] =>
  Array.from({ length: flat.length / 3 }, (_, i) => [flat[3 * i]!, flat[3 * i + 1]!, flat[3 * i + 2]!])

/** The same programs each time: some faults show in one of a thousand only, and a test that is lucky as a rule is no test. */
const NOTICING = { numRuns: 3000, endOnFailure: true, seed: 5 }

/** Schedulers with one fault each. The test must find every one of them, or it proves nothing about the real one. */
const broken: Record<string, () => Step> = {
  'drops write-after-read': () => {
    const lastOf = new Map<number, number>()
    return misled((flat, state) =>
      triples(flat).flatMap(([t, d, access]) => {
        const last = lastOf.get(d)
        lastOf.set(d, access)
        return [t, d, isKept(state, d) && access === Access.WRITE && last === Access.READ ? Access.READ : access]
      }),
    )
  },
  'drops read-after-write': () =>
    misled((flat, state) => triples(flat).flatMap((a) => (a[2] === Access.READ && isKept(state, a[1]) ? [] : a))),
  'drops read-after-write of results': () =>
    misled((flat, state) => triples(flat).flatMap((a) => (a[2] === Access.READ && state.data.kind[a[1]] === Kind.RENAMED ? [] : a))),
  'runs COMMUTATIVE tasks together': () =>
    misled((flat) => triples(flat).flatMap(([t, d, a]) => [t, d, a === Access.COMMUTATIVE ? Access.CONCURRENT : a])),
  'orders CONCURRENT tasks with nobody': () => misled((flat) => triples(flat).flatMap((a) => (a[2] === Access.CONCURRENT ? [] : a))),
  'believes late reports': () => (state, events, now) =>
    step(
      state,
      events.map((e) => updated(state, e)),
      now,
    ),
  'loses a command now and then': () => {
    let n = 0
    return (state, events, now) => step(state, events, now).filter((c) => c.do !== 'StartTasks' || ++n % 10 !== 0)
  },
  'lets readers of what failed run': () => (state, events, now) => {
    const commands = step(state, events, now)
    state.data.poison.fill(NONE)
    return commands
  },
  'releases data that are held': () => (state, events, now) =>
    step(
      state,
      events.map((e) => (e.on === 'DataDeclared' ? { ...e, holds: 0 } : e)),
      now,
    ),
  'forgets what tasks need': () => (state, events, now) =>
    step(
      state,
      events.map((e) => (e.on === 'TasksSubmitted' ? { ...e, need: [] } : e)),
      now,
    ),
  'forgets pinned hosts': () => (state, events, now) =>
    step(
      state,
      events.map((e) => (e.on === 'TasksSubmitted' ? { ...e, host: [] } : e)),
      now,
    ),
}

function updated(state: RuntimeState, e: RuntimeEvent): RuntimeEvent {
  if (e.on !== 'TasksFinished') return e
  const [task] = e.tasks
  return { ...e, worker: state.tasks.at[task!]!, attempts: [state.tasks.attempt[task!]!] }
}

describe('scheduler: random programs in a random world', () => {
  for (const lanes of [false, true])
    it(`keep the order of the program, cancel what must be cancelled, and settle${lanes ? ', also in lanes' : ''}`, function () {
      const numRuns = Number(process.env['INSITU_RANDOM_RUNS'] ?? 400)
      this.timeout(60_000 + 100 * numRuns)
      fc.assert(property(step, lanes), { numRuns })
    })

  it('the test notices a scheduler that lets others follow what was given up', function () {
    this.timeout(60_000)
    const deaf: Step = (state, events, now) =>
      step(state, events, now).filter((c) => c.do !== 'RecallTasks' || c.abort || c.tasks.every((t) => state.tasks.missing[t] === 0))
    expect(fc.check(property(deaf, true), NOTICING).failed).to.equal(true)
  })

  for (const [fault, make] of Object.entries(broken)) {
    it(`the test notices a scheduler that ${fault}`, function () {
      this.timeout(60_000)
      const found = fc.check(
        fc.property(runs, (run) => new World(run, make()).run()),
        NOTICING,
      )
      expect(found.failed).to.equal(true)
    })
  }

  it('the same events at the same times give the same commands', () => {
    fc.assert(
      fc.property(runs, (run) => {
        const log: { events: readonly RuntimeEvent[]; now: number; commands: string }[] = []
        new World(run, (state, events, now) => {
          const commands = step(state, events, now)
          log.push({ events, now, commands: JSON.stringify(commands) })
          return commands
        }).run()
        const again = createState({ fetchesAhead: true, seals: true })
        for (const { events, now, commands } of log) expect(JSON.stringify(step(again, events, now))).to.equal(commands)
      }),
      { numRuns: 30 },
    )
  })
})
