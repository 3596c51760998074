/** How a large value of a task came to be, for as long as somebody may need it: with the same arguments it can be made again. */
import type { Seen } from '../../src/unit/transaction.js'
import { isKept, type Kept } from './kept-values.js'
import { type Arg, type CallKind, FromTask, type TaskRecord, type ToCome } from './task-record.js'

export interface Lineage {
  readonly kind: CallKind
  readonly args: readonly Given[]
  /** What its task read. */
  readonly seen: readonly Seen[]
  /** The objects that it was made of, by the tasks behind it as well. */
  readonly inputs: readonly string[]
  /** How many tasks stand behind one another. */
  readonly depth: number
  /** Who holds its values, if anybody does. */
  readonly of: WeakRef<TaskRecord>
  /** The task that makes them again, while it does. */
  again?: TaskRecord
}

/** An argument that was a large value. Not held: values go when the program can no longer ask for them, also those behind another. */
export interface Source {
  readonly k: 's'
  readonly value: WeakRef<Kept>
  readonly from: Lineage | undefined
  readonly place: number
}

export type Given =
  | Exclude<Arg, FromTask | ToCome | { readonly k: 'a' | 'v' | 'r' }>
  | Source
  | { readonly k: 'a'; readonly e: readonly Given[] }
  | { readonly k: 'v'; readonly b: Uint8Array; readonly f?: readonly Given[] }

/** A loop that feeds each result to the next call would keep all that was ever passed. Behind this many tasks a value counts as given. */
const DEPTH_MAX = 64

/** What a lineage may keep in the program's memory. A task that was given more has values that cannot be made again. */
const BYTES_MAX = 2 ** 20

/** Of a task that has just made large values, while it has its arguments; `undefined` if too much would have to be kept. */
export function lineageOf(record: TaskRecord, seen: readonly Seen[]): Lineage | undefined {
  if (bytesIn(record.args) > BYTES_MAX) return undefined
  const before = depthOf(record.args)
  const isCut = before >= DEPTH_MAX
  const args = record.args.map((arg) => givenBy(arg, isCut))
  return { kind: record.kind, args, seen, inputs: inputsOf(args, seen), depth: isCut ? 1 : before + 1, of: new WeakRef(record) }
}

/** Of more only what its task itself has read. */
const INPUTS_MAX = 4096

function inputsOf(args: readonly Given[], seen: readonly Seen[]): readonly string[] {
  const own = seen.map(([id]) => id)
  const all = new Set(own)
  for (const from of behind(args)) if (all.size <= INPUTS_MAX) for (const id of from.inputs) all.add(id)
  return all.size > INPUTS_MAX ? own : [...all]
}

function* behind(args: readonly Given[]): Generator<Lineage> {
  for (const arg of args) {
    if (typeof arg !== 'object' || arg === null) continue
    if (arg.k === 's' && arg.from) yield arg.from
    else if (arg.k === 'a') yield* behind(arg.e)
    else if (arg.k === 'v' && arg.f) yield* behind(arg.f)
  }
}

function partsOf(arg: Arg): readonly Arg[] {
  if (typeof arg !== 'object' || arg === null) return []
  if (arg.k === 'a') return arg.e
  return arg.k === 'v' ? (arg.f ?? []) : []
}

function depthOf(args: readonly Arg[]): number {
  let depth = 0
  for (const arg of args)
    depth = Math.max(depth, arg instanceof FromTask && isKept(arg.value) ? (arg.record.lineage?.depth ?? 0) : depthOf(partsOf(arg)))
  return depth
}

function bytesIn(args: readonly Arg[]): number {
  let bytes = 0
  for (const arg of args) {
    const value = arg instanceof FromTask ? arg.value : arg
    if (typeof value === 'string') bytes += value.length
    else if (typeof value === 'object' && value !== null && value.k === 'v') bytes += value.b.length
    bytes += bytesIn(partsOf(arg))
  }
  return bytes
}

function givenBy(arg: Arg, isCut: boolean): Given {
  if (typeof arg !== 'object' || arg === null) return arg
  if (arg instanceof FromTask) {
    const { value, place, record } = arg
    return isKept(value) ? { k: 's', value: new WeakRef(value), from: isCut ? undefined : record.lineage, place } : givenBy(value, isCut)
  }
  switch (arg.k) {
    case 'a':
      return { k: 'a', e: arg.e.map((one) => givenBy(one, isCut)) }
    case 'v':
      return arg.f ? { k: 'v', b: arg.b, f: arg.f.map((one) => givenBy(one, isCut)) } : { k: 'v', b: arg.b }
    case 'l':
      return givenBy(arg.arg, isCut)
    case 'r':
      return { k: 's', value: new WeakRef(arg), from: undefined, place: 0 }
    case 'o':
      return arg
  }
}
