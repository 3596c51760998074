import fc from 'fast-check'
import { Access, type Need, Policy } from '../../runtime/scheduler/index.js'

/** How an attempt of a task ends; when the list is used up, attempts succeed. */
export type Ending = 'ok' | 'fail' | 'fatal' | 'conflict'

export interface ProgramTask {
  readonly accesses: readonly { readonly datum: number; readonly access: Access }[]
  readonly policy: Policy
  readonly promises: number
  readonly priority: number
  readonly fn: number
  /** NONE or a host. */
  readonly host: number
  /** A kind of NEEDS. */
  readonly need: number
  /** What the submitter expects, or NONE. */
  readonly us: number
  readonly endings: readonly Ending[]
}

/** A sequential program of task calls. Data below `kept` are persistent objects; datum kept + t is the result of task t. */
export interface Program {
  readonly kept: number
  readonly tasks: readonly ProgramTask[]
}

export interface Run {
  readonly program: Program
  /** What the world does next; a world that has used them up answers everything in order until all is settled. */
  readonly choices: readonly number[]
}

export const HOSTS = 2
export const MEMORY_MB = 100
/** Host 1 alone is labelled. */
export const LABEL = 'gpu'
export const NEEDS: readonly Need[] = [
  { units: 1, memoryMb: 0, labels: [] },
  { units: 2, memoryMb: 0, labels: [] },
  { units: 1, memoryMb: 60, labels: [] },
  { units: 1, memoryMb: 0, labels: [LABEL] },
]

const rawAccess = fc.record({
  pick: fc.nat(99),
  access: fc.constantFrom(
    Access.READ,
    Access.READ,
    Access.READ,
    Access.WRITE,
    Access.WRITE,
    Access.CONCURRENT,
    Access.COMMUTATIVE,
    Access.DELETE,
  ),
})

const rawTask = fc.record({
  accesses: fc.array(rawAccess, { maxLength: 4 }),
  result: fc.boolean(),
  policy: fc.constantFrom(Policy.CANCEL_SUCCESSORS, Policy.CANCEL_SUCCESSORS, Policy.RETRY, Policy.IGNORE),
  stops: fc.integer({ min: 0, max: 29 }),
  promises: fc.constantFrom(0, 0, 0, 1, 2),
  priority: fc.constantFrom(0, 0, 5, -40),
  fn: fc.nat(2),
  pin: fc.integer({ min: 0, max: 9 }),
  need: fc.constantFrom(0, 0, 0, 0, 1, 2, 3),
  us: fc.constantFrom(-1, -1, 100, 5000, 50_000),
  endings: fc.array(fc.constantFrom<Ending>('ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'ok', 'fail', 'fatal', 'conflict', 'conflict'), {
    maxLength: 4,
  }),
})

type RawTask = typeof rawTask extends fc.Arbitrary<infer T> ? T : never

/** Accesses pick among the objects and the results made so far: two of three picks are objects, to make them contended. */
function toProgram(kept: number, raw: readonly RawTask[]): Program {
  const made: number[] = []
  const tasks = raw.map((r, t) => {
    const accesses = r.accesses.map(({ pick, access }) => {
      if (pick % 3 > 0 || made.length === 0) return { datum: pick % kept, access }
      return { datum: made[pick % made.length]!, access: access === Access.DELETE ? access : Access.READ }
    })
    if (r.result) accesses.push({ datum: kept + t, access: Access.WRITE })
    if (r.result) made.push(kept + t)
    return { ...r, accesses, policy: r.stops === 0 ? Policy.FAIL : r.policy, host: r.pin < HOSTS && r.need !== 3 ? r.pin : -1 }
  })
  return { kept, tasks }
}

export const runs: fc.Arbitrary<Run> = fc.record({
  program: fc
    .tuple(fc.integer({ min: 1, max: 3 }), fc.array(rawTask, { minLength: 1, maxLength: 24, size: 'max' }))
    .map(([kept, raw]) => toProgram(kept, raw)),
  // Unbiased and long: by default most lists are so short, and numbers so small, that hardly anything ever happens.
  choices: fc.noBias(fc.array(fc.nat(0xffff), { minLength: 20, maxLength: 300, size: 'max' })),
})
