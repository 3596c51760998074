import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import '../../examples/sqlite-backend/index.js'
import { connect, type Store } from '../../runtime/index.js'
import type { Backend } from '../../src/backend.js'
import { brokenBackends } from '../conformance/broken-backends.js'
import { SharedBackend } from '../conformance/forwarding-backend.js'
import { assertOk, node } from '../integration/processes.js'
import { Random } from '../simulation/random.js'
import { type Call, type Model, violationIn } from './checker.js'
import { unexplained } from './history.js'
import { JitterBackend } from './jitter-backend.js'
import { makeBoard, type Plan, runProgram } from './program.js'
import type { AnyCall } from './things.js'

/** `SEED=…` repeats a run, as far as the machine's own timing lets it. */
const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const PROGRAMS = 5
const CALLS = 60
const ROUNDS_MS = 3000
/** However slow the machine is: in one round too little happens by chance. */
const ROUNDS_MIN = 2

type Wrap = (backend: Backend) => Backend

/** Several programs in this process on one store, each with an opening of its own. */
async function inOneProcess(url: string, seed: number, wrap: Wrap = (backend) => backend): Promise<readonly AnyCall[]> {
  const first = await connect(url, { ack: 'committed' })
  const stores: Store[] = []
  try {
    await makeBoard(first)
    for (let program = 1; program <= PROGRAMS; program++) {
      // A memory of its own is in one instance; a file is opened by each program.
      const backend = first.backend.capabilities.reach === 'instance' ? first.backend : (await connect(url)).backend
      const jittered = new JitterBackend(wrap(new SharedBackend(backend)), new Random(seed + program))
      stores.push(await connect(jittered, { ack: 'committed', patienceMs: 3000 }))
      if (backend !== first.backend) closing.push(() => backend.close())
    }
    const all = await Promise.all(stores.map((store, i) => runProgram(store, { program: i + 1, seed, calls: CALLS })))
    return all.flat()
  } finally {
    for (const store of stores) await store.close().catch(() => {})
    for (const close of closing.splice(0)) await close()
    await first.close()
  }
}

const closing: (() => Promise<void>)[] = []

/** Rounds with further seeds until time is up; what a round finds is thrown with its seed. */
async function rounds(one: (seed: number, round: number) => Promise<readonly AnyCall[]>): Promise<void> {
  const endMs = performance.now() + ROUNDS_MS
  const all: AnyCall[] = []
  let overlapping = 0
  for (let round = 0; round < ROUNDS_MIN || performance.now() < endMs; round++) {
    const history = await one(SEED + round, round)
    const found = unexplained(history)
    if (found) throw new Error(`seed ${SEED + round}: ${found}`)
    all.push(...history)
    overlapping += history.filter((call) => history.some((other) => overlap(call, other))).length
  }
  process.stdout.write(`linearizable: ${all.length} calls, ${overlapping} of them overlapping, seeds from ${SEED}\n`)
  requireSubstance(all, overlapping)
}

const overlap = (a: AnyCall, b: AnyCall): boolean =>
  a.on === b.on && a.program !== b.program && a.beganAt < b.endedAt && b.beganAt < a.endedAt

/** A history in which little happens proves little. */
function requireSubstance(calls: readonly AnyCall[], overlapping: number): void {
  const count = (is: (call: AnyCall) => boolean): number => calls.filter(is).length
  expect(count(({ out }) => out === undefined)).to.be.below(calls.length / 50)
  expect(overlapping).to.be.above(calls.length / 10)
  for (const kind of ['create', 'save', 'update'] as const) {
    expect(
      count((call) => call.in.do === kind && call.out === 'refused'),
      `${kind} refused`,
    ).to.be.above(0)
    expect(
      count((call) => call.in.do === kind && call.out !== 'refused'),
      `${kind} done`,
    ).to.be.above(10)
  }
}

describe('linearizable: what several programs see of one object, alias and row', function () {
  this.timeout(120_000)
  let folder: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'insitu-linearizable-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('on memory', () => rounds((seed) => inOneProcess('memory:?private', seed)))
  it('on memory with three domains', () => rounds((seed) => inOneProcess('memory:?domains=3&private', seed)))
  it('on a file', () => rounds((seed, round) => inOneProcess(`nvram:${folder}/one-${round}`, seed)))
  it('on a file, in four processes', () => rounds((seed, round) => inProcesses(`nvram:${folder}/four-${round}`, seed)))
  it('on SQLite, in four processes', () => rounds((seed, round) => inProcesses(`sqlite:${folder}/four-${round}.db`, seed)))
})

async function inProcesses(url: string, seed: number): Promise<readonly AnyCall[]> {
  const store = await connect(url)
  await makeBoard(store)
  await store.close()
  const child = fileURLToPath(new URL('./child-main.js', import.meta.url))
  const meetIn = await mkdtemp(join(tmpdir(), 'insitu-meeting-'))
  try {
    const plans = [1, 2, 3, 4].map((program): Plan => ({ program, seed, calls: 2 * CALLS }))
    const ended = await Promise.all(plans.map((plan) => node([child, url, JSON.stringify({ ...plan, meetIn, programs: plans.length })])))
    return ended.flatMap((one) => JSON.parse(assertOk(one).stdout) as AnyCall[])
  } finally {
    await rm(meetIn, { recursive: true, force: true })
  }
}

describe('linearizable: broken backends are caught', function () {
  this.timeout(120_000)
  const SEEDS = 10
  const caught: readonly (keyof typeof brokenBackends)[] = [
    'ForgetsAliases',
    'IgnoresExpect',
    'KeepsFirstRow',
    'KeepsRemoved',
    'LosesEveryTenthCommit',
    'OverwritesAliases',
    'ReadsStale',
  ]
  for (const name of caught)
    for (const url of ['memory:?private', 'memory:?domains=3&private'])
      it(`${name} on ${url}`, async () => {
        for (let seed = SEED; seed < SEED + SEEDS; seed++)
          if (unexplained(await inOneProcess(url, seed, (backend) => new brokenBackends[name](backend)))) return
        throw new Error(`not found with ${SEEDS} seeds from ${SEED}`)
      })
})

describe('linearizable: the checker', () => {
  type In = 'read' | number
  type RegisterCall = Call<In, number>
  /** A number that is written and read. */
  const register: Model<number, In, number> = {
    start: 0,
    step: (state, { in: wanted, out }) => (wanted !== 'read' ? wanted : out === undefined || out === state ? state : undefined),
  }
  const call = (wanted: In, out: number | undefined, beganAt: number, endedAt: number): RegisterCall => ({
    program: 'p',
    on: 'x',
    in: wanted,
    out,
    beganAt,
    endedAt,
  })
  const isFine = (...calls: RegisterCall[]): boolean => violationIn(register, calls) === undefined

  it('takes either order of calls that overlap, and only one order of others', () => {
    expect(isFine(call(1, 0, 0, 10), call('read', 0, 5, 6))).to.equal(true)
    expect(isFine(call(1, 0, 0, 10), call('read', 1, 5, 6))).to.equal(true)
    expect(isFine(call(1, 0, 0, 10), call('read', 0, 11, 12))).to.equal(false)
    expect(isFine(call(1, 0, 0, 10), call('read', 1, 2, 3), call('read', 0, 4, 5))).to.equal(false)
    expect(isFine(call(1, 0, 0, 10), call('read', 1, 2, 5), call('read', 0, 4, 6))).to.equal(true)
  })

  it('lets a call of unknown outcome happen later, or never, but once', () => {
    expect(isFine(call(1, undefined, 0, 1), call('read', 0, 2, 3), call('read', 1, 4, 5))).to.equal(true)
    expect(isFine(call(1, undefined, 0, 1), call('read', 0, 2, 3))).to.equal(true)
    expect(isFine(call(1, undefined, 0, 1), call('read', 1, 2, 3), call('read', 0, 4, 5))).to.equal(false)
  })

  it('agrees with trying all orders, on a thousand small histories', () => {
    const random = new Random(SEED)
    const verdicts = { fine: 0, not: 0 }
    for (let i = 0; i < 1000; i++) {
      const calls = Array.from({ length: 5 }, (_, n): RegisterCall => {
        const beganAt = random.below(12)
        const isRead = random.chance(0.5)
        return call(isRead ? 'read' : n + 1, isRead ? random.below(6) : 0, beganAt, beganAt + random.below(6))
      })
      const fine = someOrder(calls, 0)
      expect(isFine(...calls), JSON.stringify(calls)).to.equal(fine)
      verdicts[fine ? 'fine' : 'not']++
    }
    expect(Math.min(verdicts.fine, verdicts.not)).to.be.above(50)
  })

  /** Whether some order of all calls, in which none comes before one that ended before it began, gives the answers. */
  function someOrder(left: readonly RegisterCall[], state: number): boolean {
    if (left.length === 0) return true
    return left.some((first) => {
      if (left.some((other) => other.endedAt < first.beganAt)) return false
      const next = register.step(state, first)
      return (
        next !== undefined &&
        someOrder(
          left.filter((one) => one !== first),
          next,
        )
      )
    })
  }
})
