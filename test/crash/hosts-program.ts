/**
 * A program on logical hosts, whose agents and workers are killed while it runs, by itself and at their fail points; and in the end the program.
 * Each step counts at one host or at two of them, once, or not at all if the program was told that it failed.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { currentHosts } from '../../runtime/hosts/the-hosts.js'
import { connect, type Future, finish, hosts, NotFoundError, TaskFailedError } from '../../runtime/index.js'
import { type Program, report } from './child.js'
import { count, countAndLeave, countTwice, Tally } from './crash-model.js'
import { Findings } from './findings.js'
import type { Lane, Order, Report } from './protocol.js'

/** So many tasks are under way at a time. */
const AHEAD = 8
/** Every so many steps a worker leaves after its commit. */
const LEAVES = 31

export async function hostsProgram({ url, lane, agentKillsMs = [] }: Order): Promise<Program> {
  const store = await connect(url, { ack: 'committed' })
  void watchAgents()
  return {
    check: () => store.run(() => check(lane)),
    close: () => finish(),
    work: () => store.run(() => work(lane, agentKillsMs)),
  }
}

const aliasOf = (lane: Lane, i: number): string => `${lane.name}/tally-${i}`
const pids = (): number[] => Array.from({ length: currentHosts()!.count }, (_, host) => currentHosts()!.pidOf(host)!)

/** Tells the harness whom to wait for, and who has died. */
async function watchAgents(): Promise<void> {
  for (let known: number[] = []; currentHosts(); await delay(10, undefined, { ref: false })) {
    const now = pids()
    for (const pid of now) if (!known.includes(pid)) report({ say: 'agent', pid, replaces: known.length > 0 })
    known = now
  }
}

async function killAgents(afterMs: readonly number[]): Promise<void> {
  for (const ms of afterMs) {
    await delay(ms, undefined, { ref: false })
    const living = pids()
    process.kill(living[ms % living.length]!, 'SIGKILL')
  }
}

async function work(lane: Lane, agentKillsMs: readonly number[]): Promise<never> {
  const names = await hosts()
  const tallies = await Promise.all(names.map((host, i) => new Tally().makePersistent(aliasOf(lane, i), { ifExists: 'open', host })))
  void killAgents(agentKillsMs)
  const underWay: Promise<unknown>[] = []
  for (let n = Math.max(0, ...lane.acknowledged, ...lane.begun.map((s) => s.n)) + 1; ; n++) {
    report({ say: 'begun', step: { n } })
    underWay.push(acknowledge(n, step(tallies, n)))
    if (underWay.length >= AHEAD) await underWay.shift()
  }
}

function step(tallies: readonly Tally[], n: number): Future<unknown> {
  const at = (i: number): Tally => tallies[i % tallies.length]!
  if (n % LEAVES === 0) return countAndLeave(at(n), n)
  return n % 2 === 0 ? count(at(n), n) : countTwice(at(n), at(n + 1), n)
}

/** A task that took three workers along has failed, and then nothing of it may stand. */
async function acknowledge(n: number, step: Future<unknown>): Promise<void> {
  try {
    await step
  } catch (error) {
    if (!(error instanceof TaskFailedError)) throw error
    return report({ say: 'failed', n })
  }
  report({ say: 'done', n })
}

async function check(lane: Lane): Promise<Extract<Report, { say: 'found' }>> {
  const findings = new Findings()
  const tallies: Tally[] = []
  for (let i = 0; i < (await hosts()).length; i++) {
    const tally = await open(aliasOf(lane, i))
    if (tally) tallies.push(tally)
  }
  for (const [i, tally] of tallies.entries()) {
    if (tally.n !== tally.seen.length) findings.add('torn', `tally ${i} counts ${tally.n} and has seen ${tally.seen.length}`)
    const counted = Number((await tally.rows.get({ name: 'steps' }))?.count ?? 0)
    if (counted > tally.n) findings.add('doubled', `the counter of tally ${i} is at ${counted} after ${tally.n} steps`)
    if (counted < tally.n) findings.add('lost', `the counter of tally ${i} is at ${counted} after ${tally.n} steps`)
  }
  const standing = stepsIn(tallies, findings)
  findings.steps(
    standing,
    lane.acknowledged,
    lane.begun.map((s) => s.n),
  )
  return findings.found(standing)
}

/** Steps of two hosts stand at both; told once. */
function stepsIn(tallies: readonly Tally[], findings: Findings): readonly number[] {
  const times = new Map<number, number>()
  for (const { seen } of tallies) for (const n of seen) times.set(n, (times.get(n) ?? 0) + 1)
  const standing: number[] = []
  for (const [n, found] of times) {
    const wanted = n % LEAVES !== 0 && n % 2 === 1 ? 2 : 1
    if (found < wanted) findings.add('torn', `step ${n} stands at one host of two`)
    for (let extra = Math.max(0, found - wanted); extra >= 0; extra--) standing.push(n)
  }
  return standing
}

async function open(alias: string): Promise<Tally | undefined> {
  try {
    return await Tally.getByAlias(alias)
  } catch (error) {
    if (error instanceof NotFoundError) return undefined
    throw error
  }
}
