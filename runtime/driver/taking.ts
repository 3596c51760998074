/** A call while its arguments are taken. */
import type { Held } from '../data/held-in.js'
import type { Late } from './late.js'
import type { CallKind } from './task-record.js'

/** A volatile object of the program that a task writes: later calls take what that task makes of it. */
export interface Version {
  readonly value: object
  readonly position: number
  readonly datum: number
  readonly held: readonly Held[]
}

export interface Taking {
  readonly kind: CallKind
  readonly task: number
  /** Futures inside an encoded value. */
  versions: Version[] | undefined
  used: number[] | undefined
  /** What comes later. */
  late: Late[] | undefined
  /** Of a call that is in the graph already: what it uses besides, as triples. */
  readonly besides: number[] | undefined
  /** Whether it takes results of others; and whether some of what others make is not an argument by itself. */
  takesResults: boolean
  takesParts: boolean
}

export const takingOf = (kind: CallKind, task: number, besides?: number[]): Taking => ({
  kind,
  task,
  versions: undefined,
  used: undefined,
  late: undefined,
  besides,
  takesResults: false,
  takesParts: false,
})
