/** Where an object leads: the references in its fields, in the rows of its collections, and in what is about to be done to it. */
import { type Backend, type Cell, type Cells, type ColumnSpec, type Op, Packed, Ref, type Stored, type Table } from '../backend.js'
import { collectionsIn, refsIn } from '../codec/values.js'
import { NotFoundError } from '../errors.js'
import type { Id, TableId } from '../ids.js'
import { isChunked, LargeCells } from '../large-cells.js'
import { isStreamClass } from '../unit/belongings.js'
import type { DictCell } from '../unit/persist-plan.js'

export type Edge = (ref: Ref) => void

/** Objects that have items of a stream, as `streamsIn` lists them. */
export type StreamIds = ReadonlySet<Id>

/** What an object is tells its class only to programs that have it: so streams are asked of the store. */
export async function streamsIn({ upkeep }: Backend): Promise<StreamIds> {
  const ids = new Set<Id>()
  for await (const page of upkeep?.streams?.() ?? []) for (const id of page) ids.add(id)
  return ids
}

/** Reports every reference; those into other stores too. Errors: CorruptError, since what a damaged object leads to cannot be known. */
export async function edgesOf(backend: Backend, stored: Stored, streams: StreamIds, edge: Edge): Promise<void> {
  const cells = await wholeCells(backend, stored)
  if (!cells) return
  for (const ref of refsIn(cells)) edge(ref)
  for (const dict of ownDicts(stored.ref.id, cells)) {
    const id = dict.table as TableId
    // The field lists the columns that there were when it was stored: the table may have gained some since.
    if (holdsRefs(dict) || holdsRefs((await backend.table(id)) ?? dict)) await rowEdges(backend, id, edge)
  }
  if (backend.streams && (streams.has(stored.ref.id) || isStreamClass(stored.ref.classId)))
    for await (const page of backend.streams.items(stored.ref)) for (const item of page) itemEdges(item, edge)
  for (const op of stored.intent?.redo ?? []) redoEdges(op, edge)
}

function itemEdges(item: Uint8Array, edge: Edge): void {
  for (const ref of refsIn(new Map([['item', new Packed(item)]]))) edge(ref)
}

/** The tables that an object owns. */
export async function ownTableIds(backend: Backend, stored: Stored): Promise<readonly TableId[]> {
  const cells = await wholeCells(backend, stored)
  return cells ? ownDicts(stored.ref.id, cells).map(({ table }) => table as TableId) : []
}

/** Large fields are read whole, one object after the other: what refers to something may be behind any chunk. */
async function wholeCells(backend: Backend, stored: Stored): Promise<Cells | undefined> {
  const { cells } = stored
  if (!isChunked(stored)) return cells
  const large = new LargeCells({ read: (refs) => backend.read(refs), commit: () => Promise.reject(new TypeError('only read')) })
  const [whole] = await large.inflate([stored])
  return whole?.cells
}

const ownDicts = (owner: Id, cells: Cells): readonly DictCell[] =>
  (collectionsIn(cells) as unknown as DictCell[]).filter((cell) => cell.owner instanceof Ref && cell.owner.id === owner)

function holdsRefs({ keys, values }: Pick<Table, 'keys' | 'values'>): boolean {
  return [...keys, ...values].some(({ type }) => typeHoldsRefs(type))
}

function typeHoldsRefs(type: ColumnSpec['type']): boolean {
  if (typeof type === 'string') return type === 'ref'
  if ('setOf' in type) return typeHoldsRefs(type.setOf)
  if ('listOf' in type) return typeHoldsRefs(type.listOf)
  if ('tupleOf' in type) return type.tupleOf.some(typeHoldsRefs)
  return 'mapOf' in type && type.mapOf.some(typeHoldsRefs)
}

async function rowEdges(backend: Backend, table: TableId, edge: Edge): Promise<void> {
  try {
    for await (const page of backend.scan({ in: table }))
      for (const { key, values } of page) for (const ref of refsInList([...key, ...values])) edge(ref)
  } catch (error) {
    // Its owner was stored a moment before, or is being removed: there are no rows to follow.
    if (!(error instanceof NotFoundError)) throw error
  }
}

const refsInList = (cells: readonly (Cell | undefined)[]): Ref[] =>
  refsIn(new Map(cells.flatMap((cell, i) => (isCompound(cell) ? [[String(i), cell] as const] : []))))

const isCompound = (cell: Cell | undefined): cell is Cell =>
  typeof cell === 'object' && cell !== null && !(cell instanceof Packed && cell.bytes.length === 0)

/** What a group under way is about to write counts as written. */
export function redoEdges(op: Op, edge: Edge): void {
  if (op.do === 'name' && op.to) edge(op.to)
  if (op.do !== 'put') return
  for (const ref of refsIn(new Map([...op.set].filter(([, cell]) => !(cell instanceof Packed && cell.bytes[0] === MANIFEST))))) edge(ref)
}

/** A large field under way: its object is read again, whole, once it stands. */
const MANIFEST = 0xfe
