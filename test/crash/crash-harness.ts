/** Kills programs and reads what they left. */
import { FAIL_POINTS, type FailPoint } from '../../src/fail-point.js'
import { type Kill, type Life, live } from './life.js'
import { type Damage, type Flaw, KINDS, type Kind, type Lane, NO_DAMAGE, type Order, type Step, sumOf } from './protocol.js'
import { randomOf } from './random.js'

export interface CrashPlan {
  readonly url: string
  readonly kills: number
  readonly seed: number
  /** Which programs; all when left out. */
  readonly kinds?: readonly Kind[]
  /** Programs are killed at these fail points only, each time. */
  readonly points?: readonly FailPoint[]
  /** What they do wrong on purpose. */
  readonly flaw?: Flaw
  /** Runs programs on so many logical hosts, and kills their agents too. */
  readonly hosts?: number
  /** How much longer programs live than on a file: steps over a network take their time. */
  readonly pace?: number
  /** Called with a line for people after each kill. */
  readonly onLife?: (line: string) => void
}

export interface CrashTotals extends Damage {
  readonly kills: number
  readonly acknowledged: number
}

/** As many fail points as random kills, while there are any. */
const FAIL_POINT_SHARE = 0.5
/** Kills before a program has read its data: opening must not be hurt either. */
const EARLY_SHARE = 0.15
/** A life lasts at most so long after it was heard of. */
const LIFE_MS = 250
const FAIL_POINT_LIFE_MS = 600
/** And not before it has done some steps, up to so many: fewer than it comes to in that time, unless the machine stands still. */
const LIFE_STEPS = 6
/** Where a program is to die at one fail point and nowhere else, on a machine that is busy. */
const ONLY_POINT_LIFE_MS = 4000
/** Programs of one kind have data of their own; those of the bank share its accounts. */
const LANES: Readonly<Record<Kind, readonly string[]>> = {
  groups: ['crash-groups'],
  objects: ['crash-objects'],
  tasks: ['crash-tasks'],
  bank: ['crash-bank-1', 'crash-bank-2'],
  hosts: ['crash-hosts'],
}
/** Few enough for a busy machine to get there in time. */
const FAIL_POINT_HITS_MAX = 8

/**
 * Runs one lane of each kind side by side on one store until `kills` programs have been killed, then reads every lane once more.
 * @throws when a program ends in any other way than by SIGKILL: it could not open, could not read, or failed.
 */
export async function crash(plan: CrashPlan): Promise<CrashTotals> {
  const run = new CrashRun(plan)
  return run.all()
}

class CrashRun {
  readonly #random: () => number
  /** Fail points that programs of a kind have not been seen to pass. */
  readonly #never = new Set<string>()
  #started = 0
  #kills = 0
  #acknowledged = 0
  #damage = NO_DAMAGE

  constructor(readonly plan: CrashPlan) {
    this.#random = randomOf(plan.seed)
  }

  async all(): Promise<CrashTotals> {
    await Promise.all(
      (this.plan.kinds ?? (this.plan.hosts === undefined ? KINDS : ['hosts' as const])).flatMap((kind) =>
        LANES[kind].map((name) => this.#lane(kind, name)),
      ),
    )
    return { kills: this.#kills, acknowledged: this.#acknowledged, ...this.#damage }
  }

  async #lane(kind: Kind, name: string): Promise<void> {
    let lane: Lane = { kind, name, acknowledged: [], begun: [] }
    while (this.#started < this.plan.kills && this.#kills < this.plan.kills) {
      this.#started++
      lane = await this.#life(lane)
    }
    await this.#last(lane)
  }

  async #life(lane: Lane): Promise<Lane> {
    const kill = this.#chooseKill(lane.kind)
    const { url, flaw } = this.plan
    const life = await live({ url, lane, mode: 'work', ...(flaw && { flaw }), ...this.#onHosts() }, kill)
    if (life.signal !== 'SIGKILL') throw ended(lane, life)
    this.#kills += 1 + agentsKilled(life)
    this.#noteFailPoint(lane.kind, kill, life)
    const next = this.#learn(lane, life)
    const how = life.atFailPoint
      ? `at ${kill.failPoint}`
      : `${Math.round(kill.afterMs)} ms after ${kill.from}${kill.failPoint ? `, ${kill.failPoint} never hit` : ''}`
    this.plan.onLife?.(`${lane.kind}: killed ${how}, ${next.acknowledged.length} acknowledged, ${next.begun.length} open`)
    return next
  }

  /** Up to three agents die in each life, one after the other. */
  #onHosts(): Pick<Order, 'hosts' | 'agentKillsMs'> {
    const { hosts, pace = 1 } = this.plan
    if (hosts === undefined) return {}
    const times = Math.floor(this.#random() * 4)
    return { hosts, agentKillsMs: Array.from({ length: times }, () => Math.floor(this.#random() * LIFE_MS * pace)) }
  }

  /** Reads a lane without killing anybody. */
  async #last(lane: Lane): Promise<void> {
    const life = await live({ url: this.plan.url, lane, mode: 'check', ...this.#onHosts() }, undefined)
    if (life.code !== 0) throw ended(lane, life)
    this.#learn(lane, life)
  }

  #chooseKill(kind: Kind): Kill {
    const { pace = 1, points: only } = this.plan
    if (only)
      return {
        from: 'done',
        afterMs: ONLY_POINT_LIFE_MS * pace,
        failPoint: `${only[this.#kills % only.length]!}:${1 + Math.floor(this.#random() * 3)}`,
      }
    const points = FAIL_POINTS.filter((point) => !this.#never.has(`${kind} ${point}`))
    const roll = this.#random()
    if (points.length > 0 && roll < FAIL_POINT_SHARE) {
      const point = points[Math.floor(this.#random() * points.length)]!
      return {
        from: 'done',
        afterMs: FAIL_POINT_LIFE_MS * pace,
        afterSteps: LIFE_STEPS,
        failPoint: `${point}:${1 + Math.floor(this.#random() * FAIL_POINT_HITS_MAX)}`,
      }
    }
    if (roll > 1 - EARLY_SHARE) return { from: 'start', afterMs: this.#random() * LIFE_MS * pace }
    const afterMs = this.#random() * LIFE_MS * pace
    if (roll > 1 - 2 * EARLY_SHARE) return { from: 'found', afterMs }
    return { from: 'done', afterMs, afterSteps: 1 + Math.floor((afterMs / pace / LIFE_MS) * LIFE_STEPS) }
  }

  #noteFailPoint(kind: Kind, { failPoint }: Kill, { atFailPoint }: Life): void {
    if (failPoint && !atFailPoint && kind !== 'hosts') this.#never.add(`${kind} ${failPoint.split(':')[0]}`)
  }

  /** What the next life is told. A step that stands although nobody heard of it was acknowledged by being there. */
  #learn(lane: Lane, { reports }: Life): Lane {
    const acknowledged = new Set(lane.acknowledged)
    let begun: readonly Step[] = lane.begun
    for (const report of reports) {
      if (report.say === 'begun') begun = [...begun, report.step]
      if (report.say === 'done') {
        acknowledged.add(report.n)
        begun = begun.filter((step) => step.n !== report.n)
        this.#acknowledged++
      }
      if (report.say === 'failed') begun = begun.filter((step) => step.n !== report.n)
      if (report.say !== 'found') continue
      this.#damage = sumOf(this.#damage, report.damage)
      for (const why of report.why) this.plan.onLife?.(`${lane.kind}: ${why}`)
      // Groups are sent again by their commit id; what objects and tasks had begun is now known to stand or not.
      if (lane.kind === 'groups') continue
      const standing = new Set(report.standing)
      for (const { n } of begun) if (standing.has(n)) acknowledged.add(n)
      begun = []
    }
    return { ...lane, acknowledged: [...acknowledged], begun }
  }
}

const agentsKilled = ({ reports }: Life): number => reports.filter((report) => report.say === 'agent' && report.replaces).length

function ended(lane: Lane, { code, signal, stderr }: Life): Error {
  return new Error(`a ${lane.kind} program ended by itself (code ${code}, signal ${signal}):\n${stderr}`)
}
