/** Further copies of objects. On the host that has one it is a record in that host's file; the catalogue says who has one. */
import { type Backend, type Cell, type Cells, type Op, Ref, type Stamp, type Stored } from '../../src/backend.js'
import { ConflictError } from '../../src/errors.js'
import { type ClassId, type CommitId, type Host, type Id, newCommitId } from '../../src/ids.js'
import { chunksIn } from '../../src/large-cells.js'

/** No object of any program: listings leave it out. */
export const COPY_CLASS = 'insitu#copy' as ClassId
export const isCopy = ({ classId }: Ref): boolean => classId === COPY_CLASS

/** Where the copy of an object is kept: under the object's id with another version number, which no object has. */
const copyRef = ({ id }: Ref): Ref => new Ref(`${id.slice(0, 14)}6${id.slice(15)}` as Id, COPY_CLASS)

/** The object that a copy is of, by its id alone: its class stands in the copy. */
export const copiedFrom = ({ id }: Ref): Ref => new Ref(`${id.slice(0, 14)}7${id.slice(15)}` as Id, COPY_CLASS)

const CELL = 'cell:'

/** The copy of each object in this file, as the object was when it was copied. */
export async function copiesIn(file: Backend, refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> {
  const found = await file.read(refs.map(copyRef))
  return found.map((stored, i) => stored && original(refs[i]!, stored))
}

function original({ id }: Ref, { cells, bytes }: Stored): Stored {
  const own = new Map<string, Cell>()
  for (const [name, cell] of cells) if (name.startsWith(CELL)) own.set(name.slice(CELL.length), cell)
  const stamp: Stamp = { revision: cells.get('revision') as number, commit: cells.get('commit') as CommitId }
  return { ref: new Ref(id, cells.get('class') as ClassId), stamp, bytes, cells: own }
}

/** Keeps a copy of an object as it is now. One that is there already is replaced, unless it is as new; chunks that only the old one lists go. */
export async function keepCopy(file: Backend, { ref, stamp, cells }: Stored): Promise<void> {
  const at = copyRef(ref)
  const set = new Map<string, Cell>([
    ['class', ref.classId],
    ['revision', stamp.revision],
    ['commit', stamp.commit],
  ])
  for (const [name, cell] of cells) set.set(CELL + name, cell)
  await again(async () => {
    const [before] = await file.read([at])
    if (before?.cells.get('commit') === stamp.commit) return
    const unset = [...(before?.cells.keys() ?? [])].filter((name) => !set.has(name))
    const chunks = await chunksGone(file, before, new Set(chunksIn(cells).map(({ id }) => id)))
    await commit(file, { do: 'put', ref: at, set, unset, expect: before?.stamp ?? 'absent' }, ...chunks)
  })
}

/** Copies of the chunks that a copy lists, but for those that are still listed: they go with it, since nothing else leads to them. */
async function chunksGone(file: Backend, copy: Stored | undefined, listed: ReadonlySet<Id> = new Set()): Promise<readonly Op[]> {
  const old = copy ? chunksIn(original(copy.ref, copy).cells).filter(({ id }) => !listed.has(id)) : []
  const found = await file.read(old.map(copyRef))
  return found.flatMap((chunk): Op[] => (chunk ? [{ do: 'remove', ref: chunk.ref, expect: chunk.stamp }] : []))
}

export const dropCopy = (file: Backend, ref: Ref): Promise<void> =>
  again(async () => {
    const [before] = await file.read([copyRef(ref)])
    if (before) await commit(file, { do: 'remove', ref: copyRef(ref), expect: before.stamp }, ...(await chunksGone(file, before)))
  })

/** The hosts that the catalogue lists for each object. */
export async function copyHolders(catalogue: Backend, refs: readonly Ref[]): Promise<readonly (readonly Host[])[]> {
  const found = await catalogue.read(refs.map(copyRef))
  return found.map((stored) => holdersIn(stored?.cells))
}

const holdersIn = (cells: Cells | undefined): readonly Host[] => (cells?.get('hosts') as readonly Host[] | undefined) ?? []

/** Notes in the catalogue that a host has a copy, or no longer has it. */
export const noteHolder = (catalogue: Backend, ref: Ref, host: Host, holds: boolean): Promise<void> =>
  again(async () => {
    const at = copyRef(ref)
    const [before] = await catalogue.read([at])
    const others = holdersIn(before?.cells).filter((one) => one !== host)
    if (!before && !holds) return
    const hosts = holds ? [...others, host] : others
    if (hosts.length === 0) return commit(catalogue, { do: 'remove', ref: at, expect: before!.stamp })
    await commit(catalogue, { do: 'put', ref: at, set: new Map<string, Cell>([['hosts', hosts]]), expect: before?.stamp ?? 'absent' })
  })

async function commit(backend: Backend, ...ops: readonly Op[]): Promise<void> {
  await backend.commit({ commit: newCommitId(), atMicros: 0n, ops })
}

/** Two that copy one object at once: the slower one looks again. */
async function again(attempt: () => Promise<void>): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (!(error instanceof ConflictError) || tries >= 20) throw error
    }
  }
}
