/**
 * Loading more rows than a unit of work can hold: in groups that are sent as they fill, past the unit's buffer. Memory stays bounded
 * whatever comes in. Not atomic: a load that fails half-way leaves the rows sent so far, and doing it again is harmless.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Op, Table } from '../backend.js'
import { UnsupportedError, ValidationError } from '../errors.js'
import type { Domain } from '../ids.js'
import { assertKnown } from '../known-options.js'
import type { DictStore } from './dict-binding.js'
import type { DictState } from './dict-state.js'
import { type References, shown } from './kind.js'
import { Overlay } from './overlay.js'
import { encodeKeyText } from './row-key.js'

export interface BulkOptions {
  readonly signal?: AbortSignal
}

type AnyRow = Record<string, unknown>
export type Rows = Iterable<readonly [AnyRow, AnyRow]> | AsyncIterable<readonly [AnyRow, AnyRow]>

/** Large enough that what a group costs by itself is no matter, small enough that two of them and their encoding are no memory. */
const GROUP_ROWS_MAX = 4096
const GROUP_BYTES_MAX = 1024 * 1024
/** The next group is filled while one is on its way. */
const GROUPS_UNDER_WAY_MAX = 2

/**
 * Rows that are at hand are taken without a pause, in which nothing would leave: clients gather calls for a turn of the event loop, some of
 * them twice.
 */
const TURNS_TO_LEAVE = 3

/** Gives how many rows were written. */
export async function bulkLoad(state: DictState, rows: Rows, options: BulkOptions): Promise<number> {
  assertKnown(options, ['signal'], 'bulk()')
  const { signal } = options
  state.schema.requireBuffered('bulk()')
  const load = new BulkLoad(state, ...storeOf(state))
  try {
    for await (const row of rows) {
      const [key, value] = pairOf(row)
      signal?.throwIfAborted()
      if (load.put(key, value)) await load.send()
    }
    return await load.end()
  } catch (error) {
    await load.abandon()
    throw error
  }
}

/** Rows often come from files and other programs. */
export function pairOf<K, V>(row: readonly [K, V]): readonly [K, V] {
  if (Array.isArray(row) && row.length === 2) return row
  throw new ValidationError(`a row is a pair [key, value], got ${shown(row)}`, { path: 'rows' })
}

export function storeOf({ binding }: DictState): [DictStore, Table] {
  const table = binding?.table()
  const why = binding ? 'is new in this unit of work: commit it first' : 'is volatile: make its owner persistent first'
  if (!table) throw new ValidationError(`this dict ${why}`, { code: 'ERR_NOT_PERSISTENT' })
  if (!binding!.unit) throw new UnsupportedError('this dict does not stand on a store')
  return [binding!.unit.store, table]
}

class BulkLoad {
  #group = new Overlay()
  #bytesMax: number
  #underWay: Promise<void>[] = []
  #count = 0
  readonly #refs: References

  constructor(
    readonly state: DictState,
    readonly store: DictStore,
    readonly table: Table,
  ) {
    this.#bytesMax = Math.min(GROUP_BYTES_MAX, store.backend.capabilities.groupBytesMax / 2)
    this.#refs = storedOnly(state.refs)
  }

  /** True when the group is full. */
  put(key: AnyRow, value: AnyRow): boolean {
    const { schema } = this.state
    const cells = schema.keyCells(key, this.#refs)
    this.#group.set(encodeKeyText(schema, cells), cells, schema.valueCells(value, this.#refs))
    this.#count++
    return this.#group.count >= GROUP_ROWS_MAX || this.#group.bytes >= this.#bytesMax
  }

  async send(): Promise<void> {
    if (this.#underWay.length >= GROUPS_UNDER_WAY_MAX) await this.#underWay.shift()
    const ops = this.#group.toOps(this.table)
    this.#group = new Overlay()
    const work = this.#commit(ops)
    work.catch(() => {}) // thrown where it is awaited
    this.#underWay.push(work)
    for (let turn = 0; turn < TURNS_TO_LEAVE; turn++) await nextTurn()
  }

  async end(): Promise<number> {
    await this.send()
    await Promise.all(this.#underWay)
    await this.store.reached()
    return this.#count
  }

  /** What is under way ends before the caller goes on. */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.#underWay)
  }

  /** Rows of one domain go together, as many as the store likes; of several they need not, which spares the price of a decision over all. */
  async #commit(ops: readonly Op[]): Promise<void> {
    const { backend } = this.store
    const opsMax = backend.capabilities.groupOpsBest ?? GROUP_ROWS_MAX
    if (backend.capabilities.loadsAcross && this.table.writes === 'lww')
      return void (await Promise.all(inGroups(ops, opsMax).map((some) => this.store.load(some))))
    const domains = new Map<Domain, Op[]>()
    for (const op of ops) {
      const domain = backend.domain(op)
      const group = domains.get(domain)
      if (group) group.push(op)
      else domains.set(domain, [op])
    }
    const beside = this.#beside
    await Promise.all(
      [...domains.values()].flatMap((group) => inGroups(group, opsMax).map((some) => this.store.commit([...some, ...beside]))),
    )
  }

  /** Rows that exclude each other lie where their owner does, unless they take intents: its own is what units over several domains hold them by. */
  get #beside(): readonly Op[] {
    const { writes, owner } = this.table
    return writes === 'cas' && !this.store.backend.capabilities.reservesRows ? [{ do: 'check', ref: owner, expect: 'present' }] : []
  }
}

function inGroups(ops: readonly Op[], opsMax: number): (readonly Op[])[] {
  if (ops.length <= opsMax) return [ops]
  return Array.from({ length: Math.ceil(ops.length / opsMax) }, (_, i) => ops.slice(i * opsMax, (i + 1) * opsMax))
}

/** A volatile object would have to be stored with the row, which only a unit of work does. */
const storedOnly = (refs: References): References => ({
  refOf(o) {
    if ((o as { getID?(): unknown }).getID?.() === null)
      throw new ValidationError('bulk() takes references to persistent objects only: make them persistent first', {
        code: 'ERR_NOT_PERSISTENT',
      })
    return refs.refOf(o)
  },
  resolve: (ref) => refs.resolve(ref),
})
