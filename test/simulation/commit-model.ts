import { type Protocol, realProtocol } from './protocol.js'
import { Schedule } from './schedule.js'

export interface Violation {
  readonly seed: number
  readonly what: readonly string[]
}

export interface Counts {
  schedules: number
  events: number
  commits: number
  crashes: number
  longest: number
  readonly violations: Violation[]
}

export interface RunOptions {
  readonly seeds: number
  readonly from?: number
  readonly protocol?: Protocol
  /** Ends at the first violation. */
  readonly untilCaught?: boolean
}

/** Schedules in the air at once: they know nothing of each other, and share the cost of letting promises run. */
const ABREAST = 64

/** Runs the schedules of consecutive seeds. A seed is a whole schedule: the same seed gives the same events. */
export async function runSchedules({ seeds, from = 1, protocol = realProtocol, untilCaught = false }: RunOptions): Promise<Counts> {
  const counts: Counts = { schedules: 0, events: 0, commits: 0, crashes: 0, longest: 0, violations: [] }
  const end = from + seeds
  let seed = from
  let running: Schedule[] = []
  while (running.length > 0 || seed < end) {
    while (running.length < ABREAST && seed < end) running.push(new Schedule(seed++, protocol))
    await allWait()
    for (const schedule of running) schedule.over ? tell(schedule, counts) : schedule.next()
    running = running.filter((schedule) => !told.has(schedule))
    if (untilCaught && counts.violations.length > 0) break
  }
  return counts
}

/** Every promise that can run has run: all programs wait for the network. */
const allWait = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

const told = new WeakSet<Schedule>()

function tell(schedule: Schedule, counts: Counts): void {
  told.add(schedule)
  const { step } = schedule.world.network
  counts.schedules++
  counts.events += step
  counts.commits += schedule.world.truth.decisions
  counts.crashes += schedule.crashes
  counts.longest = Math.max(counts.longest, step)
  if (schedule.violations.length > 0) counts.violations.push({ seed: schedule.seed, what: schedule.violations })
}
