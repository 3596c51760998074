/** A random program of tasks over values and accounts, and what running it in order gives. */
import type { Random } from './random.js'

export interface RunTask {
  /** Tasks whose values it reads. */
  readonly reads: readonly number[]
  /** Accounts that only tasks touch, so that what it reads there is known. */
  readonly own: readonly { readonly account: number; readonly isWritten: boolean }[]
  /** An account that others write too, or none: it adds 1. */
  readonly contended: number | undefined
  readonly ms: number
  /** Whether the scheduler is told beforehand how long it takes. */
  readonly isTold: boolean
  /** 0: the value rides in the report. Else it stays on the host that made it. */
  readonly bytes: number
  readonly units: 1 | 2
  /** Attempts that fail, each to be tried again. */
  readonly failures: number
  /** Fails always, and is ignored. Nobody reads its value. */
  readonly isIgnored: boolean
  /** Whether the program keeps the result until the end. */
  readonly isKept: boolean
  /** Of a task that makes a lost value again: whose, and the stamps of what that had read. */
  readonly again?: { readonly of: number; readonly stamps: readonly string[] }
}

export interface RunProgram {
  readonly own: number
  readonly contended: number
  readonly tasks: readonly RunTask[]
}

export const START = 100

export function randomProgram(random: Random): RunProgram {
  const own = 1 + random.below(3)
  const contended = 1
  const tasks: RunTask[] = []
  const count = 6 + random.below(18)
  for (let t = 0; t < count; t++) tasks.push(randomTask(random, tasks, own, contended))
  return { own, contended, tasks }
}

function randomTask(random: Random, earlier: readonly RunTask[], own: number, contended: number): RunTask {
  const readable = earlier.flatMap(({ isIgnored }, t) => (isIgnored ? [] : [t]))
  const accounts = Array.from({ length: own }, (_, account) => account)
  return {
    reads: random.some(readable, random.below(4)),
    own: random.some(accounts, random.below(3)).map((account) => ({ account, isWritten: random.chance(0.6) })),
    contended: random.chance(0.15) ? random.below(contended) : undefined,
    ms: 1 + random.below(60),
    isTold: random.chance(0.6),
    bytes: random.chance(0.3) ? 0 : 200_000 * (1 + random.below(10)),
    units: random.chance(0.12) ? 2 : 1,
    failures: random.chance(0.15) ? 1 + random.below(2) : 0,
    isIgnored: random.chance(0.06),
    isKept: random.chance(0.5),
  }
}

export const mix = (values: readonly number[]): number =>
  values.reduce((h, x) => Math.imul(h ^ x ^ (h >>> 15), 0x9e3779b1) >>> 0, 0x811c9dc5)

export const writes = ({ own, contended }: RunTask): boolean => contended !== undefined || own.some(({ isWritten }) => isWritten)

/** The value of each task, by running one after the other. Accounts that others write are no part of any value. */
export function valuesInOrder({ own, tasks }: RunProgram): readonly number[] {
  const accounts = Array.from({ length: own }, () => START)
  const values: number[] = []
  for (const [t, task] of tasks.entries()) {
    values.push(mix([t, ...task.reads.map((r) => values[r]!), ...task.own.map(({ account }) => accounts[account]!)]))
    if (!task.isIgnored) for (const { account, isWritten } of task.own) if (isWritten) accounts[account]!++
  }
  return values
}
