/**
 * What a program must do, said by running it in order, one task after the other, with no idea of chains, groups or counts. The world
 * asks it about each task when it starts and when all is over.
 */
import { Access } from '../../runtime/scheduler/index.js'
import type { Program } from './random-program.js'

export interface Use {
  readonly datum: number
  readonly access: Access
}

export const isKept = (program: Program, datum: number): boolean => datum < program.kept

/** One use of each datum: what a task may do to it in all. */
export function usesOf(program: Program, task: number): Use[] {
  const uses = new Map<number, Access>()
  for (const { datum, access } of program.tasks[task]!.accesses) {
    const mode = plain(program, datum, access)
    const other = uses.get(datum) ?? mode
    uses.set(datum, other === mode ? mode : Access.WRITE)
  }
  return [...uses].map(([datum, access]) => ({ datum, access }))
}

function plain(program: Program, datum: number, access: Access): Access {
  if (access !== Access.DELETE) return access
  return isKept(program, datum) ? Access.WRITE : Access.READ
}

export const isWrite = (access: Access): boolean => access !== Access.READ

/** Two uses of one datum that may happen at the same time. */
export const mayOverlap = (a: Access, b: Access): boolean => a === b && (a === Access.READ || a === Access.CONCURRENT)

/** Tasks before `task` whose effect on `datum` it must see: all earlier writers but those of its own CONCURRENT or COMMUTATIVE run. */
export function writersBefore(program: Program, task: number, use: Use): number[] {
  const before: number[] = []
  let inOwnRun = use.access === Access.CONCURRENT || use.access === Access.COMMUTATIVE
  for (let t = task - 1; t >= 0; t--) {
    const other = usesOf(program, t).find((u) => u.datum === use.datum)
    if (other === undefined) continue
    if (other.access !== use.access) inOwnRun = false
    if (isWrite(other.access) && !inOwnRun) before.push(t)
  }
  return before.reverse()
}

/** Tasks that must be over, one way or another, before `task` may start: whoever came before and may not overlap. */
export function mustBeOver(program: Program, task: number): number[] {
  const before: number[] = []
  const uses = usesOf(program, task)
  for (let t = 0; t < task; t++) {
    const clash = usesOf(program, t).some((theirs) => uses.some((u) => u.datum === theirs.datum && !freely(theirs.access, u.access)))
    if (clash) before.push(t)
  }
  return before
}

/** COMMUTATIVE tasks may go in any order (though not at once). */
const freely = (a: Access, b: Access): boolean => mayOverlap(a, b) || (a === b && a === Access.COMMUTATIVE)
