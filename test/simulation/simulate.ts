/** Runs of consecutive seeds, several abreast; and variants with one thing wrong, of which each must be caught. */
import { type Command, type RuntimeEvent, type RuntimeState, Status, step } from '../../runtime/scheduler/index.js'
import { brokenProtocols } from './broken-protocols.js'
import { ClusterRun, type Variant } from './cluster-run.js'

export interface SimulateOptions {
  readonly seeds: number
  readonly from?: number
  readonly variant?: Variant
  /** Ends at the first violation. */
  readonly untilCaught?: boolean
}

export interface Simulated {
  seeds: number
  steps: number
  tasks: number
  losses: number
  moves: number
  remade: number
  sealed: number
  doubled: number
  readonly violations: { readonly seed: number; readonly what: readonly string[] }[]
}

/** Runs in the air at once: they know nothing of each other, and share the cost of letting promises run. */
const ABREAST = 32

export async function simulate({ seeds, from = 1, variant = {}, untilCaught = false }: SimulateOptions): Promise<Simulated> {
  const all: Simulated = { seeds: 0, steps: 0, tasks: 0, losses: 0, moves: 0, remade: 0, sealed: 0, doubled: 0, violations: [] }
  let seed = from
  let running: ClusterRun[] = []
  while (running.length > 0 || seed < from + seeds) {
    while (running.length < ABREAST && seed < from + seeds) running.push(new ClusterRun(seed++, variant))
    await allWait()
    for (const run of running) if (!run.over) run.next()
    for (const run of running) if (run.over) tell(run, all)
    running = running.filter((run) => !run.over)
    if (untilCaught && all.violations.length > 0) break
  }
  return all
}

/** Every promise that can run has run. */
const allWait = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function tell(run: ClusterRun, all: Simulated): void {
  all.seeds++
  all.steps += run.steps
  all.tasks += run.program.tasks.length
  all.losses += run.lost
  all.moves += run.moves
  all.remade += run.remade
  all.sealed += run.sealed
  all.doubled += run.doubled
  if (run.violations.length > 0) all.violations.push({ seed: run.seed, what: run.violations })
}

type Step = NonNullable<Variant['step']>

const believesLateReports: Step = (state, events, now) =>
  step(
    state,
    events.map((e) => madeCurrent(state, e)),
    now,
  )

function madeCurrent(state: RuntimeState, e: RuntimeEvent): RuntimeEvent {
  if (e.on !== 'TasksFinished' && e.on !== 'TasksFailed') return e
  const [task] = e.tasks
  return { ...e, worker: state.tasks.at[task!]!, attempts: [state.tasks.attempt[task!]!] }
}

/** Forgets one of many commands. */
const losesCommands = (): Step => {
  let n = 0
  return (state, events, now): readonly Command[] => step(state, events, now).filter((c) => c.do !== 'StartTasks' || ++n % 20 !== 0)
}

/** Readers of objects wait for nobody. */
const dropsReads: Step = (state, events, now) => {
  const kept = (d: number): boolean => state.data.kind[d] === 2
  const rewritten = (flat: readonly number[]): number[] =>
    Array.from({ length: flat.length / 3 }, (_, i) => flat.slice(3 * i, 3 * i + 3)).flatMap((a) => (a[2] === 0 && kept(a[1]!) ? [] : a))
  return step(
    state,
    events.map((e) => (e.on === 'TasksSubmitted' ? { ...e, accesses: rewritten([...e.accesses]) } : e)),
    now,
  )
}

/** Of what only the laws of the state say anything. */
const miscounts: Step = (state, events, now) => {
  const commands = step(state, events, now)
  state.counts[Status.DONE]! += 1
  return commands
}

/** Each has one thing wrong. A simulation that lets one of them through proves nothing about the real thing. */
export const canaries: Readonly<Record<string, () => Variant>> = {
  'a scheduler that believes late reports': () => ({ step: believesLateReports }),
  'a scheduler that forgets commands': () => ({ step: losesCommands() }),
  'a scheduler that lets readers overtake writers': () => ({ step: dropsReads }),
  'a scheduler that miscounts its tasks': () => ({ step: miscounts }),
  'tasks that commit without a mark': () => ({ marks: false }),
  'a driver that does not say which values were lost': () => ({ tellsLosses: false }),
  'a data plane that does not say when a fetch ended': () => ({ endsFetches: false }),
  'a driver that makes lost values again, whatever they were made of': () => ({ remakes: 'blindly' }),
  'a driver that gives tasks up without a mark': () => ({ seals: false }),
  'a protocol that marks after settling': () => ({ protocol: brokenProtocols['mark after settle']! }),
  'stores that forget what they have committed': () => ({ protocol: brokenProtocols['no receipts']! }),
}

/** Names of the canaries that were let through in so many seeds. */
export async function missedCanaries(seeds: number, from = 1): Promise<readonly string[]> {
  const missed: string[] = []
  for (const [name, make] of Object.entries(canaries)) {
    const { violations } = await simulate({ seeds, from, variant: make(), untilCaught: true })
    if (violations.length === 0) missed.push(name)
  }
  return missed
}
