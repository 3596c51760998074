/** Random programs on the dicts of one store, each beside the model. */
import fc from 'fast-check'
import { connect, type Store } from '../../runtime/index.js'
import { SharedBackend } from '../conformance/forwarding-backend.js'
import type { ConformanceFactory, Subject } from '../conformance/session.js'
import { type Plan, type PlanOptions, plans } from './dict-actions.js'
import { nameOf } from './dict-shape.js'
import { show } from './dict-types.js'
import { type Ground, World } from './dict-world.js'

export interface CheckOptions extends PlanOptions {
  readonly runs: number
  readonly seed?: number
  readonly path?: string
  /** That there is a failure is enough: it is not narrowed down. */
  readonly endsAtFirst?: boolean
}

/** @throws Error that says by which seed it comes again, and which is the smallest program that was found. */
export async function checkDicts(factory: ConformanceFactory, options: CheckOptions): Promise<void> {
  const subject = await factory()
  const ground: Ground = { open: () => opened(subject) }
  try {
    await fc.assert(
      fc.asyncProperty(plans(options), (plan) => runPlan(ground, plan)),
      {
        numRuns: options.runs,
        ...(options.seed !== undefined && { seed: options.seed }),
        ...(options.path !== undefined && { path: options.path }),
        endOnFailure: options.endsAtFirst ?? false,
        reporter: report,
      },
    )
  } finally {
    await subject.drop?.()
  }
}

function opened(subject: Subject): Promise<Store> {
  const place = subject.open()
  if (typeof place === 'string') return connect(place)
  return connect(place.capabilities.reach === 'instance' ? new SharedBackend(place) : place)
}

async function runPlan(ground: Ground, plan: Plan): Promise<void> {
  const stores = await Promise.all([ground.open(), ground.open(), ground.open()])
  let world: World | undefined
  try {
    world = await World.made(ground, stores, plan)
    await world.run()
    await world.end()
  } finally {
    for (const store of [...(world?.programs.map((program) => program.store) ?? []), ...stores]) await store.close().catch(() => {})
  }
}

function report(found: fc.RunDetails<[Plan]>): void {
  if (!found.failed) return
  const [plan] = found.counterexample ?? []
  throw new Error(
    `programs on dicts, seed ${found.seed}, path ${found.counterexamplePath}: ${found.errorInstance instanceof Error ? found.errorInstance.message : found.errorInstance}\n${plan ? told(plan) : ''}`,
    { cause: found.errorInstance },
  )
}

/** The program, to be read. */
function told({ shape, volatile, asked, filler, actions }: Plan): string {
  const lines = [
    nameOf(shape),
    ...volatile.map((changes) => `volatile ${show(changes)}`),
    ...asked.map((query) => `asked ${show(query)}`),
    `${filler.length} rows of filler ${show(filler[0])}`,
    ...actions.map((action, i) => `${i} ${show(action)}`),
  ]
  return lines.map((line) => `  ${line.slice(0, 1500)}`).join('\n')
}
