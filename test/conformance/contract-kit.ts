import type { Backend, Cell, Cells, Group, Intent, Key, Op, Receipt, Stamp, Stored, Table, Values } from '../../src/backend.js'
import { Ref } from '../../src/backend.js'
import { type ClassId, type CommitId, newCommitId, newId, newTableId, type TableId } from '../../src/ids.js'
import type { Needs } from './case.js'

export const THING = 'insitu/conformance#Thing' as ClassId

/** A reference to an object that no other case uses. */
export const thing = (classId = THING): Ref => new Ref(newId(), classId)

export const cells = (fields: Record<string, Cell>): Cells => new Map(Object.entries(fields))

let last = 0n

/** The writer's clock; no two groups of a process have the same, or the larger row would win instead of the later. */
export function now(): bigint {
  const wall = BigInt(Date.now()) * 1000n
  last = wall > last ? wall : last + 1n
  return last
}

export const group = (ops: readonly Op[], commit = newCommitId(), atMicros = now()): Group => ({ commit, atMicros, ops })

export const send = (backend: Backend, ...ops: Op[]): Promise<Receipt> => backend.commit(group(ops))

export const put = (ref: Ref, fields: Record<string, Cell>, expect: Stamp | 'absent' = 'absent'): Op => ({
  do: 'put',
  ref,
  set: cells(fields),
  expect,
})

export const row = (table: TableId, key: Key, set: Values | null): Op => ({ do: 'row', table, key, set })

export const add = (table: TableId, key: Key, column: number, by: bigint): Op => ({ do: 'add', table, key, column, by })

/** The object behind `ref`, which must stand. */
export async function standing(backend: Backend, ref: Ref): Promise<Stored> {
  const [stored] = await backend.read([ref])
  if (!stored) throw new Error(`object ${ref.id} is missing`)
  return stored
}

export const fieldOf = async (backend: Backend, ref: Ref, name: string): Promise<Cell | undefined> =>
  (await standing(backend, ref)).cells.get(name)

/** A table: partition `p` (text), order `o` (i64), values `n` (i64), `note` (text, optional), `hits` (counter). */
export function tableFor(owner: Ref, writes: Table['writes'] = 'lww'): Table {
  return {
    id: newTableId(),
    owner,
    keys: [
      { name: 'p', type: 'text' },
      { name: 'o', type: 'i64' },
    ],
    partition: 1,
    values: [
      { name: 'n', type: 'i64' },
      { name: 'note', type: 'text', optional: true },
      { name: 'hits', type: 'counter' },
    ],
    writes,
  }
}

/** A defined table whose owner stands. */
export async function tableOn(backend: Backend, writes: Table['writes'] = 'lww'): Promise<Table> {
  const owner = thing()
  await send(backend, put(owner, { kind: 'owner' }))
  const table = tableFor(owner, writes)
  await backend.define(table)
  return table
}

/** How many names are tried until two lie in one domain: a cluster has 16384 slots. */
const TRIES = 200_000

/** An op whose domain is that of `anchor`, out of those that `make` gives; `undefined` when the backend has no such. */
export function beside<O extends Op>(backend: Backend, anchor: Op, make: (i: number) => O): O | undefined {
  const domain = backend.domain(anchor)
  for (let i = 0; i < TRIES; i++) {
    const op = make(i)
    if (backend.domain(op) === domain) return op
  }
  return undefined
}

const presence = (ref: Ref): Op & { readonly ref: Ref } => ({ do: 'check', ref, expect: 'present' })

/** Two objects that one group can hold. */
export function pair(backend: Backend): [Ref, Ref] {
  const first = thing()
  const second = beside(backend, presence(first), () => presence(thing()))
  if (!second) throw new Error('no two objects share a domain')
  return [first, second.ref]
}

const pairs = new Map<string, boolean>()

/** For cases about groups of several objects. */
export const groupsObjects: Needs = (backend) => {
  if (!pairs.has(backend.url)) {
    const first = thing()
    pairs.set(backend.url, beside(backend, presence(first), () => presence(thing())) !== undefined)
  }
  return pairs.get(backend.url) ? undefined : 'each object is a domain of its own'
}

/** An alias that shares the domain of an object, so that both fit in one group; any alias where none does. */
export function aliasBeside(backend: Backend, ref: Ref, alias: string): string {
  const name = (i: number): Op & { readonly alias: string } => ({ do: 'name', alias: `${alias}~${i}`, expect: null, to: ref })
  return (beside(backend, presence(ref), name) ?? name(0)).alias
}

export function intent(home: Ref, redo: readonly Op[], commit: CommitId = newCommitId()): Intent {
  return { commit, home, redo, leaseUntilMs: Date.now() + 60_000 }
}
