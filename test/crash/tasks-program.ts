/** Runs tasks on worker threads that change persistent objects: each has its effects once, whatever is killed. */
import { connect, type Future, NotFoundError, type Store } from '../../runtime/index.js'
import { type Program, report } from './child.js'
import { count, Score, score, Tally } from './crash-model.js'
import { Findings } from './findings.js'
import type { Lane, Order, Report } from './protocol.js'

const TALLIES = 3
const SCORES = 12
/** Every so many steps one at a tally; the others are at scores. */
const TALLY_EVERY = 5
/** So many tasks are under way at a time. */
const AHEAD = 24

export async function tasksProgram({ url, lane }: Order): Promise<Program> {
  const store: Store = await connect(url, { ack: 'committed' })
  return {
    check: () => store.run(() => check(lane)),
    close: () => store.close(),
    work: () => store.run(() => work(lane)),
  }
}

const aliasOf = (lane: Lane, i: number): string => `${lane.name}/tally-${i}`
const scoreAlias = (lane: Lane, i: number): string => `${lane.name}/score-${i}`

async function work(lane: Lane): Promise<never> {
  const tallies = await Promise.all(
    Array.from({ length: TALLIES }, (_, i) => new Tally().makePersistent(aliasOf(lane, i), { ifExists: 'open' })),
  )
  const scores = await Promise.all(
    Array.from({ length: SCORES }, (_, i) => new Score().makePersistent(scoreAlias(lane, i), { ifExists: 'open' })),
  )
  const underWay: Promise<unknown>[] = []
  for (let n = Math.max(0, ...lane.acknowledged, ...lane.begun.map((s) => s.n)) + 1; ; n++) {
    report({ say: 'begun', step: { n } })
    underWay.push(acknowledge(n % TALLY_EVERY === 0 ? count(tallies[n % TALLIES]!, n) : score(scores[n % SCORES]!, n)))
    if (underWay.length >= AHEAD) await underWay.shift()
  }
}

async function acknowledge(step: Future<number>): Promise<void> {
  report({ say: 'done', n: await step })
}

async function check(lane: Lane): Promise<Extract<Report, { say: 'found' }>> {
  const findings = new Findings()
  const standing: number[] = []
  for (let i = 0; i < TALLIES; i++) {
    const tally = await opened(() => Tally.getByAlias(aliasOf(lane, i)))
    if (!tally) continue
    standing.push(...tally.seen)
    if (tally.n !== tally.seen.length) findings.add('torn', `tally ${i} counts ${tally.n} and has seen ${tally.seen.length}`)
    const counted = Number((await tally.rows.get({ name: 'steps' }))?.count ?? 0)
    if (counted > tally.n) findings.add('doubled', `the counter of tally ${i} is at ${counted} after ${tally.n} steps`)
    if (counted < tally.n) findings.add('lost', `the counter of tally ${i} is at ${counted} after ${tally.n} steps`)
  }
  for (let i = 0; i < SCORES; i++) {
    const one = await opened(() => Score.getByAlias(scoreAlias(lane, i)))
    if (!one) continue
    standing.push(...one.seen)
    if (one.n !== one.seen.length) findings.add('torn', `score ${i} is at ${one.n} and has seen ${one.seen.length}`)
  }
  findings.steps(
    standing,
    lane.acknowledged,
    lane.begun.map((s) => s.n),
  )
  return findings.found(standing)
}

async function opened<T>(get: () => Promise<T>): Promise<T | undefined> {
  try {
    return await get()
  } catch (error) {
    if (error instanceof NotFoundError) return undefined
    throw error
  }
}
