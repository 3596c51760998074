/**
 * Versions of objects (COMPSs' and dataClay's `newVersion` and `consolidateVersion`): a version is an independent copy of the stored
 * object that remembers where it comes from; consolidated, the original gets its contents.
 */
import { type Cell, type Op, Ref, type Stamp, type Stored, type StoredRow, type Table } from '../backend.js'
import { fingerprint } from '../codec/values.js'
import { planGroups } from '../commit/index.js'
import { compareColumns } from '../dict/table-columns.js'
import { ConflictError, UnsavedChangesError, UnsupportedError, ValidationError } from '../errors.js'
import type { ClassId, Id, TableId } from '../ids.js'
import type { ObjectState } from '../objects/object-state.js'
import { type StorageObject, stateOf } from '../objects/storage-object.js'
import type { Store } from '../store.js'
import { dropBelongings, isStreamClass } from './belongings.js'
import type { IdentityMap } from './identity-map.js'
import { ownTables, type Plan } from './persist-plan.js'
import { RowsPrint } from './rows-print.js'
import { nameOf, notFound } from './unit-errors.js'
import type { Detached, UnitOfWork } from './unit-of-work.js'

export const ORIGIN_CLASS = 'insitu#origin' as ClassId

/** Where a version comes from: stored beside it, under an id made from its own, so that its fields stay its own. */
export interface Origin {
  /** The original first, then the versions between it and this one. */
  readonly chain: readonly Ref[]
  /** The original as it was when the first version was made of it. */
  readonly stamp: Stamp
  /** The rows that its collections had then, in short: no stamp tells of them. `undefined`: it was made before this was kept. */
  readonly rows?: string | undefined
}

/** The id of a version's origin: the version's own with its variant bits changed, so that it can be no object's. */
export function originRef(version: Ref): Ref {
  const { id } = version
  return new Ref(`${id.slice(0, 14)}8${id.slice(15)}` as Id, ORIGIN_CLASS)
}

/** The id of the version that an origin is stored for. */
export const versionOf = ({ id }: Ref): Id => `${id.slice(0, 14)}7${id.slice(15)}` as Id

export const putOrigin = (version: Ref, { chain, stamp, rows }: Origin): Op => ({
  do: 'put',
  ref: originRef(version),
  set: new Map<string, Cell>([
    ['chain', chain],
    ['revision', stamp.revision],
    ['commit', stamp.commit],
    ...(rows === undefined ? [] : [['rows', rows] as const]),
  ]),
  expect: 'absent',
})

export function originIn(stored: Stored): Origin {
  const { cells } = stored
  return {
    chain: cells.get('chain') as readonly Ref[],
    stamp: { revision: cells.get('revision') as number, commit: cells.get('commit') as Stamp['commit'] },
    rows: cells.get('rows') as string | undefined,
  }
}

/** What copying a collection needs. */
export interface RowStore {
  scan(table: Table): AsyncIterable<readonly StoredRow[]>
  table(id: TableId): Promise<Table | undefined>
  define(table: Table): Promise<void>
  write(ops: readonly Op[]): Promise<unknown>
}

const ROWS_AT_ONCE = 1000

/** Copies the stored rows of a table into a new one, which nobody can reach before an object lists it. `met` is told of each. */
async function copyRows(from: Table, copy: Table, store: RowStore, met: RowsPrint): Promise<void> {
  const standing = await store.table(from.id)
  // Columns that programs with a newer class have added are copied too.
  const to = standing && compareColumns(standing, copy) === 'wider' ? { ...copy, values: standing.values } : copy
  await store.define(to)
  let ops: Op[] = []
  const flush = async (): Promise<void> => {
    if (ops.length > 0) await store.write(ops)
    ops = []
  }
  for await (const page of store.scan(from))
    for (const row of page) {
      met.add(from.id, row)
      ops.push(...rowOps(to, row))
      if (ops.length >= ROWS_AT_ONCE) await flush()
    }
  await flush()
}

/** Sums of counters are added, since a row's values leave them alone. */
function rowOps({ id: table, values: columns, writes }: Table, { key, values }: StoredRow): Op[] {
  if (writes === 'counters')
    throw new UnsupportedError("an object with a dict of writes: 'counters' has no versions: their rows cannot be copied as they are", {
      code: 'ERR_COUNTERS_ONLY',
    })
  const isCounter = (i: number): boolean => columns[i]!.type === 'counter'
  const sums = values.flatMap((cell, column) =>
    isCounter(column) && typeof cell === 'bigint' && cell !== 0n ? [{ do: 'add', table, key, column, by: cell } as const] : [],
  )
  return [
    {
      do: 'row',
      table,
      key,
      set: values.map((cell, i) => (isCounter(i) ? undefined : cell)),
      ...(writes === 'cas' && { expect: null, isCas: true }),
    },
    ...sums,
  ]
}

/** What of a unit of work the versions of its objects need. */
export interface VersionHost {
  readonly store: Store
  readonly unit: UnitOfWork
  readonly instances: IdentityMap
  detached(stored: Stored): Detached
  isDirty(state: ObjectState): boolean
  take(state: ObjectState, stored: Stored): void
  /** Commits objects as one unit with further ops, after `first`. */
  commitStates(roots: readonly ObjectState[], extra: (ref: Ref) => Op[], first: (plan: Plan) => Promise<void>): Promise<void>
}

/** Its items lie beside it, where groups of consumers go on reading them: a copy would be another stream. */
function requireNoStream({ id, classId }: Ref): void {
  if (isStreamClass(classId))
    throw new UnsupportedError(`stream ${id} has no versions, since consumers read its items while they come: append them to another one`, {
      code: 'ERR_NO_VERSIONS',
      id,
    })
}

const originalChanged = (state: ObjectState, ref: Ref, stamps: { readonly expected?: Stamp; readonly found?: Stamp }): Error =>
  new ConflictError(`the original ${ref.id} of ${nameOf(state)}, or a row of its collections, was changed since the version was made`, {
    ref,
    ...stamps,
  })

export class Versions {
  readonly #host: VersionHost

  constructor(host: VersionHost) {
    this.#host = host
  }

  /** An independent copy of the stored object, which remembers its origin. */
  async make(ref: Ref): Promise<StorageObject> {
    const [stored, from] = await this.#host.store.read([ref, originRef(ref)])
    if (!stored) throw notFound(ref.id, this.#host.store.url)
    requireNoStream(ref)
    const before = from && originIn(from)
    const chain = [...(before?.chain ?? []), ref]
    const copied = new RowsPrint()
    const copy = this.#host.detached(stored)
    await this.#host.commitStates(
      [copy.state],
      (version) => [putOrigin(version, { ...(before ?? { stamp: stored.stamp, rows: copied.text }), chain })],
      (plan) => this.#copyCollections(copy, plan, copied),
    )
    return copy.state.instance
  }

  /**
   * Gives the original the contents and names of a version, and removes the version with those between.
   * @throws ConflictError when the original, or a row of its collections, was changed since the first version was made of it
   */
  async consolidate(state: ObjectState): Promise<void> {
    const version = state.ref!
    if (this.#host.isDirty(state))
      throw new UnsavedChangesError(`${nameOf(state)} has unsaved changes: save() them before consolidateVersion()`, { id: version.id })
    const [stored, from] = await this.#host.store.read([version, originRef(version)])
    if (!stored) throw notFound(version.id, this.#host.store.url)
    if (!from) throw new ValidationError(`${nameOf(state)} is no version: newVersion() makes one`, { code: 'ERR_NO_VERSION' })
    requireNoStream(version)
    const { chain, stamp, rows } = originIn(from)
    const [original, ...between] = chain as [Ref, ...Ref[]]
    const replaced = await this.#host.store.read([original, ...between])
    const old = replaced[0]
    if (!old) throw notFound(original.id, this.#host.store.url)
    if (old.stamp.commit !== stamp.commit) throw originalChanged(state, original, { expected: stamp, found: old.stamp })
    const copy = this.#host.detached(stored)
    copy.state.ref = original
    copy.state.unit = this.#host.unit
    copy.state.stamp = old.stamp
    copy.state.base = new Map([...old.cells].map(([name, cell]) => [name, fingerprint(cell)]))
    const gone = [stored, ...replaced.slice(1).filter((one) => one !== undefined)]
    const ops = (await Promise.all(gone.map((one) => this.#becoming(one, original)))).flat()
    await this.#host.commitStates(
      [copy.state],
      () => ops,
      async (plan) => {
        // Also a version that holds what the original does has become it: no other one of the same original may any more.
        if (plan.changed.length === 0) ops.push({ do: 'put', ref: original, set: new Map(), expect: old.stamp })
        await this.#copyCollections(copy, plan, new RowsPrint())
        // As late as can be: rows that are saved from here on until the commit are replaced.
        if (rows !== undefined && rows !== (await this.#rowsOf(old))) throw originalChanged(state, original, {})
      },
    )
    await this.#dropCollections([old, ...gone])
    await this.#becomes(state, original, gone)
  }

  /** Removes a version; its names go to the original. */
  async #becoming({ ref, stamp }: Stored, original: Ref): Promise<Op[]> {
    const ops: Op[] = [
      { do: 'remove', ref, expect: stamp },
      { do: 'remove', ref: originRef(ref), expect: 'present' },
    ]
    for (const alias of await this.#host.store.aliasesOf(ref)) ops.push({ do: 'name', alias, expect: ref, to: original })
    return ops
  }

  /** The rows of all collections that an object owns, in short. */
  async #rowsOf(owner: Stored): Promise<string> {
    const print = new RowsPrint()
    for (const table of ownTables(owner))
      for await (const page of this.#host.store.backend.scan({ in: table })) for (const row of page) print.add(table, row)
    return print.text
  }

  /** Fills the collections of a copy, which its group then publishes. */
  async #copyCollections({ sources }: Detached, { tables }: Plan, met: RowsPrint): Promise<void> {
    const { backend } = this.#host.store
    const store = {
      define: (table: Table) => backend.define(table),
      table: (id: TableId) => backend.table(id),
      scan: (table: Table) => backend.scan({ in: table.id }),
      // Nobody reaches them before the end, so that they need not commit together.
      write: (ops: readonly Op[]) => Promise.all(planGroups([{ backend, ops }]).map((group) => this.#host.store.commit(group.ops))),
    }
    for (const { dict, table } of tables) {
      const source = sources.get(dict)
      if (source) await copyRows(source, table, store, met)
    }
  }

  async #dropCollections(objects: readonly Stored[]): Promise<void> {
    for (const one of objects) await dropBelongings(this.#host.store.backend, one)
  }

  /** The version's instance is the original's from now on, beside one that the program may have. */
  async #becomes(state: ObjectState, original: Ref, gone: readonly Stored[]): Promise<void> {
    for (const { ref } of gone) this.#host.instances.delete(ref.id)
    const [stored] = await this.#host.store.read([original])
    if (!stored) throw notFound(original.id, this.#host.store.url)
    const other = this.#host.instances.get(original.id)
    state.ref = original
    this.#host.take(state, stored)
    if (!other) this.#host.instances.set(original.id, state.instance)
    else if (stateOf(other).loaded && !this.#host.isDirty(stateOf(other))) this.#host.take(stateOf(other), stored)
  }
}
