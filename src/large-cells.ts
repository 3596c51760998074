/**
 * Cells too large for one group: kept as chunks, objects of their own that nobody can reach, and published by the one cell that lists
 * them. What reads and writes objects above here sees whole cells only.
 */
import { type Cell, type Cells, type Op, Packed, Ref, type Stored } from './backend.js'
import { decodeWire, encodeWire } from './codec/wire.js'
import { CorruptError } from './errors.js'
import { type ClassId, type Id, isIdText, newId } from './ids.js'
import { CHUNK_BYTES, LARGE_CELL_BYTES } from './limits.js'

type PutOp = Extract<Op, { do: 'put' }>
type Kind = 'packed' | 'blob' | 'text'

/** What stands in the place of a chunked cell. */
interface Manifest {
  readonly kind: Kind
  readonly bytes: number
  readonly chunks: readonly Id[]
}

export interface LargeCellStore {
  /** An id for a part of an object. */
  newId?(of: Id): Id
  read(refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]>
  commit(ops: readonly Op[]): Promise<unknown>
}

/** No format of values begins with it, nor any outcome of a task. */
const MANIFEST = 0xfe
export const CHUNK_CLASS = 'insitu#chunk' as ClassId
const chunkRef = (id: Id): Ref => new Ref(id, CHUNK_CLASS)

export class LargeCells {
  /** The chunks of objects that this program has read or written, to be removed with the cell that lists them. */
  readonly #known = new Map<Id, Map<string, Manifest>>()

  constructor(readonly store: LargeCellStore) {}

  // ---- writing

  /** Whether `deflate` has anything to do. */
  isConcerned(ops: readonly Op[]): boolean {
    if (this.#known.size > 0) return true
    // A code unit of a text may take three bytes.
    for (const op of ops) if (op.do === 'put' && opBytes(op) * 3 > LARGE_CELL_BYTES && hasLarge(op)) return true
    return false
  }

  /** Stores the chunks of large cells; gives the ops to commit, in which manifests stand for them and old chunks are removed. */
  async deflate(ops: readonly Op[]): Promise<{ readonly ops: readonly Op[]; done(): void }> {
    const written: (readonly [Id, Map<string, Manifest>])[] = []
    const out: Op[] = []
    for (const op of ops) {
      if (op.do === 'remove') out.push(op, ...this.#removals(op.ref.id))
      else if (op.do !== 'put') out.push(op)
      else {
        const large = await this.#store(op)
        out.push(large.size > 0 ? { ...op, set: replaced(op.set, large) } : op, ...this.#removals(op.ref.id, op))
        if (large.size > 0) written.push([op.ref.id, large])
      }
    }
    return { ops: out, done: () => this.#remember(ops, written) }
  }

  async #store(op: PutOp): Promise<Map<string, Manifest>> {
    const manifests = new Map<string, Manifest>()
    for (const [name, cell] of op.set) {
      const large = largePart(cell)
      if (large) manifests.set(name, await this.#storeChunks(op.ref.id, large))
    }
    return manifests
  }

  async #storeChunks(of: Id, { kind, bytes }: NonNullable<ReturnType<typeof largePart>>): Promise<Manifest> {
    const { puts, chunks } = chunksOf(bytes, () => this.store.newId?.(of) ?? newId())
    // Each a group of its own: no group, and no store's memory, ever holds more than one.
    for (const put of puts) await this.store.commit([put])
    return { kind, bytes: bytes.length, chunks }
  }

  /** Removes the chunks of an object, or of the cells that a put replaces. */
  #removals(id: Id, put?: PutOp): Op[] {
    const gone = [...(this.#known.get(id) ?? [])].filter(([name]) => !put || put.set.has(name) || put.unset?.includes(name))
    return gone.flatMap(([, { chunks }]) => chunks.map(removalOf))
  }

  #remember(ops: readonly Op[], written: readonly (readonly [Id, Map<string, Manifest>])[]): void {
    for (const op of ops) {
      if (op.do === 'remove') this.#known.delete(op.ref.id)
      else if (op.do === 'put') this.#forget(op)
    }
    for (const [id, manifests] of written) for (const [name, manifest] of manifests) this.#know(id, name, manifest)
  }

  /** An object without large cells is not kept: while any is known, every unit of work is looked through. */
  #forget({ ref, set, unset = [] }: PutOp): void {
    const known = this.#known.get(ref.id)
    if (!known) return
    for (const name of [...set.keys(), ...unset]) known.delete(name)
    if (known.size === 0) this.#known.delete(ref.id)
  }

  #know(id: Id, name: string, manifest: Manifest): void {
    this.#known.set(id, (this.#known.get(id) ?? new Map<string, Manifest>()).set(name, manifest))
  }

  // ---- reading

  /** The same objects with whole cells. */
  async inflate(found: readonly (Stored | undefined)[]): Promise<readonly (Stored | undefined)[]> {
    if (!found.some(isChunked)) return found
    const whole: (Stored | undefined)[] = []
    // One after the other: no more than one value in the making is held beside those that are asked for.
    for (const stored of found) whole.push(isChunked(stored) ? await this.#whole(stored) : stored)
    return whole
  }

  async #whole(first: Stored): Promise<Stored | undefined> {
    for (let stored: Stored | undefined = first; ; ) {
      const cells = await this.#wholeCells(stored)
      if (cells) return { ...stored, bytes: stored.bytes + cellsBytes(cells), cells }
      // Somebody has stored the object anew meanwhile, and removed what it listed.
      const before: Stored = stored
      ;[stored] = await this.store.read([before.ref])
      if (!stored) return undefined
      if (stored.stamp.commit === before.stamp.commit)
        throw new CorruptError(`object ${stored.ref.id} lacks a chunk of a large field`, { id: stored.ref.id })
    }
  }

  async #wholeCells({ ref, cells }: Stored): Promise<Cells | undefined> {
    const whole = new Map<string, Cell>(cells)
    this.#known.delete(ref.id)
    for (const [name, cell] of cells) {
      const manifest = manifestOf(cell)
      if (!manifest) continue
      this.#know(ref.id, name, manifest)
      const bytes = await gather(this.store, manifest)
      if (!bytes) return undefined
      whole.set(name, cellOf(manifest.kind, bytes))
    }
    return whole
  }
}

/** Bytes cut into chunks, not stored yet. */
function chunksOf(bytes: Uint8Array, idOfNext: () => Id): { readonly puts: readonly Op[]; readonly chunks: readonly Id[] } {
  const chunks: Id[] = []
  const puts: Op[] = []
  for (let from = 0; from < bytes.length; from += CHUNK_BYTES) {
    const id = idOfNext()
    chunks.push(id)
    puts.push({ do: 'put', ref: chunkRef(id), set: new Map([['bytes', bytes.subarray(from, from + CHUNK_BYTES)]]), expect: 'absent' })
  }
  return { puts, chunks }
}

/** The bytes whole; `undefined` when a chunk is gone. */
async function gather(store: Pick<LargeCellStore, 'read'>, { bytes, chunks }: Manifest): Promise<Uint8Array | undefined> {
  const whole = new Uint8Array(bytes)
  let at = 0
  for (const id of chunks) {
    const [chunk] = await store.read([chunkRef(id)])
    const part = chunk?.cells.get('bytes')
    if (!(part instanceof Uint8Array) || at + part.length > bytes) return undefined
    whole.set(part, at)
    at += part.length
  }
  return at === bytes ? whole : undefined
}

export const removalOf = (chunk: Id): Op => ({ do: 'remove', ref: chunkRef(chunk), expect: 'present' })

function replaced(cells: Cells, large: ReadonlyMap<string, Manifest>): Cells {
  const out = new Map<string, Cell>(cells)
  for (const [name, manifest] of large) out.set(name, new Packed(listOf(manifest)))
  return out
}

function listOf(manifest: Manifest): Uint8Array {
  const body = encodeWire(manifest)
  const bytes = new Uint8Array(body.length + 1)
  bytes[0] = MANIFEST
  bytes.set(body, 1)
  return bytes
}

const manifestOf = (cell: Cell): Manifest | undefined =>
  cell instanceof Packed && cell.bytes[0] === MANIFEST ? manifestIn(cell.bytes, 'field') : undefined

function manifestIn(list: Uint8Array, what: string): Manifest {
  const manifest = decodeWire(list.subarray(1))
  if (!isManifest(manifest)) throw new CorruptError(`the list of chunks of a large ${what} is damaged`)
  return manifest
}

function isManifest(value: unknown): value is Manifest {
  if (typeof value !== 'object' || value === null) return false
  const { kind, bytes, chunks } = value as Partial<Manifest>
  if (typeof kind !== 'string' || typeof bytes !== 'number' || !Array.isArray(chunks) || !chunks.every(isIdText)) return false
  // Memory is taken for what is listed, not for what is claimed.
  return Number.isInteger(bytes) && bytes >= 0 && bytes <= chunks.length * CHUNK_BYTES
}

/** The chunks that an object's cells list. */
export const chunksIn = (cells: Cells): Ref[] => [...cells.values()].flatMap((cell) => manifestOf(cell)?.chunks.map(chunkRef) ?? [])

// ---- outcomes of tasks

/** An outcome that its mark is too small for: chunks that nothing but the mark leads to, and the list of them that it keeps. */
export interface LargeOutcome {
  readonly puts: readonly Op[]
  readonly chunks: readonly Id[]
  readonly list: Uint8Array
}

export function largeOutcome(bytes: Uint8Array, idOfNext: () => Id): LargeOutcome {
  const { puts, chunks } = chunksOf(bytes, idOfNext)
  return { puts, chunks, list: listOf({ kind: 'blob', bytes: bytes.length, chunks }) }
}

/** The chunks that a mark lists. */
export const chunksInOutcome = (outcome: Uint8Array | null): readonly Id[] =>
  outcome?.[0] === MANIFEST ? manifestIn(outcome, 'outcome').chunks : NO_CHUNKS

const NO_CHUNKS: readonly Id[] = []

/** What a mark keeps, whole; `undefined` when it is no longer kept. */
export async function wholeOutcome(store: Pick<LargeCellStore, 'read'>, outcome: Uint8Array | null): Promise<Uint8Array | undefined> {
  return outcome?.[0] === MANIFEST ? gather(store, manifestIn(outcome, 'outcome')) : (outcome ?? undefined)
}

export function isChunked(stored: Stored | undefined): stored is Stored {
  if (!stored) return false
  for (const cell of stored.cells.values()) if (cell instanceof Packed && cell.bytes[0] === MANIFEST) return true
  return false
}

function hasLarge({ set }: PutOp): boolean {
  for (const cell of set.values()) if (largePart(cell)) return true
  return false
}

function largePart(cell: Cell): { readonly kind: Kind; readonly bytes: Uint8Array } | undefined {
  if (cell instanceof Packed) return cell.bytes.length > LARGE_CELL_BYTES ? { kind: 'packed', bytes: cell.bytes } : undefined
  if (cell instanceof Uint8Array) return cell.length > LARGE_CELL_BYTES ? { kind: 'blob', bytes: cell } : undefined
  if (typeof cell !== 'string' || cell.length * 3 <= LARGE_CELL_BYTES) return undefined
  const bytes = Buffer.from(cell)
  return bytes.length > LARGE_CELL_BYTES ? { kind: 'text', bytes } : undefined
}

function cellOf(kind: Kind, bytes: Uint8Array): Cell {
  if (kind === 'blob') return bytes
  return kind === 'text' ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString() : new Packed(bytes)
}

/** Bytes of an op as it is stored, nearly. */
export function opBytes(op: Op): number {
  if (op.do === 'row') return op.set ? listBytes(op.key) + listBytes(op.set) : listBytes(op.key)
  if (op.do === 'checkRow') return listBytes(op.key)
  return op.do === 'put' ? cellsBytes(op.set) : OP_BYTES
}

/** The same of a row, texts as they are encoded. */
export function rowBytes({ key, set }: Extract<Op, { do: 'row' }>): number {
  return encodedBytes(key) + (set ? encodedBytes(set) : 0)
}

function encodedBytes(cells: readonly (Cell | undefined)[]): number {
  let bytes = 8
  for (const cell of cells)
    if (typeof cell === 'string') bytes += Buffer.byteLength(cell)
    else bytes += Array.isArray(cell) ? encodedBytes(cell as readonly Cell[]) : cellBytes(cell)
  return bytes
}

const OP_BYTES = 64

let summed = 0
const sum = (cell: Cell): void => {
  summed += cellBytes(cell)
}

export function cellsBytes(cells: Cells): number {
  summed = OP_BYTES
  cells.forEach(sum) // unlike a loop over the values, it makes nothing that is to be collected
  return summed
}

function listBytes(cells: readonly (Cell | undefined)[]): number {
  let bytes = 8
  for (const cell of cells) bytes += cellBytes(cell)
  return bytes
}

export function cellBytes(cell: Cell | undefined): number {
  if (typeof cell === 'string' || cell instanceof Uint8Array) return cell.length
  if (cell instanceof Packed) return cell.bytes.length
  return Array.isArray(cell) ? listBytes(cell as readonly Cell[]) : 8
}
