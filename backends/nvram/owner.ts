/**
 * Whose file it is. A file belongs to one machine and one path: two hosts that write one file through a network file system would
 * ruin it, and two copies of a store would go on as if they were one.
 */
import { existsSync, readFileSync, realpathSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { v7 } from 'uuid'
import { NotOwnerError, UnsupportedError } from '../../src/errors.js'
import type { DiskRoom } from './disk-room.js'
import type { Environment } from './environment.js'
import { homeOfFormerMark, markKey } from './keys.js'
import type { NvramConfig } from './nvram-config.js'
import { FILE_FORMAT, isFormerMark, openMark, openValue, sealMark, sealValue } from './record.js'

interface Owner {
  readonly store: string
  readonly machine: string
  readonly host: string
  readonly path: string
  /** This file is a backup: it belongs to nobody, and becomes a store of its own, with an id of its own, where it is first opened. */
  readonly backup?: boolean
}

export const FORMAT_KEY = Buffer.from('format')
export const OWNER_KEY = Buffer.from('owner')
/**
 * All that the file may be in. Format 1 lists each object under its class by itself, which is one of the ways of format 2; marks of both are
 * moved when the file is opened.
 */
export const READABLE_FORMATS: readonly string[] = ['1', '2', String(FILE_FORMAT)]
/** Beside the data, so that one can tell a copy without opening it. */
const STORE_FILE = 'store.json'

/** Makes a new file ours; refuses one of another format, another machine, or one that is a copy. */
export function claim(environment: Environment, config: NvramConfig, room: DiskRoom): void {
  const path = realpathSync(config.folder)
  environment.transactions.write(() => {
    requireFormat(environment, path)
    const found = ownerOf(environment, path)
    const owner = found?.backup ? undefined : found
    if (owner) requireOwned(owner, config, path)
    if (owner?.path === path) return
    room.require(2, 0)
    adopt(environment, { store: owner?.store ?? v7(), machine: config.machine, host: config.host, path })
  })
}

/**
 * Makes a copied file nobody's: whoever opens it takes it, on whatever machine, without the store that it was copied from being gone.
 * From then on the two are two stores, so that neither takes the other for a copy of itself.
 */
export function disown(environment: Environment, config: NvramConfig): void {
  const owner = { store: v7(), machine: config.machine, host: config.host, path: config.folder, backup: true }
  environment.transactions.write(() => {
    environment.meta.put(OWNER_KEY, sealValue(OWNER_KEY, owner))
  })
}

/** Text, not a record: what a later format's records look like is not ours to know. */
function requireFormat({ meta, marks }: Environment, path: string): void {
  const found = meta.get(FORMAT_KEY)?.toString()
  if (found === String(FILE_FORMAT)) return
  if (found !== undefined && !READABLE_FORMATS.includes(found))
    throw new UnsupportedError(
      `The store in ${path} has format ${found}, this version reads ${FILE_FORMAT}: use the version that wrote it, or a later one.`,
      {
        code: 'ERR_FORMAT_VERSION',
        format: found,
      },
    )
  if (found !== undefined) moveMarks(marks)
  // An older one becomes this one as it is written; from now on a program of the older version could not read all of it.
  meta.put(FORMAT_KEY, Buffer.from(String(FILE_FORMAT)))
}

/** To where marks lie since format 3. There are few: those of runs that were killed. */
function moveMarks(marks: Environment['marks']): void {
  for (const key of marks.keys({ start: FIRST })) {
    const [at, sealed] = markNow(key, marks.get(key)!)
    if (at === key) continue
    marks.remove(key)
    marks.put(at, sealed)
  }
}

const FIRST = Uint8Array.of(0)

/** A mark as it lies in a file of this format. */
export function markNow(key: Uint8Array, bytes: Buffer): readonly [key: Uint8Array, sealed: Uint8Array] {
  if (!isFormerMark(bytes)) return [key, bytes]
  const home = homeOfFormerMark(key)
  const mark = openMark(key, bytes, () => `A mark at ${home}`)
  const at = markKey(home, mark.key)
  return [at, Uint8Array.from(sealMark(at, mark))]
}

function ownerOf({ meta }: Environment, path: string): Owner | undefined {
  const bytes = meta.get(OWNER_KEY)
  return bytes && (openValue(OWNER_KEY, bytes, () => `The owner of the store in ${path}`) as Owner)
}

function requireOwned(owner: Owner, config: NvramConfig, path: string): void {
  if (owner.machine !== config.machine)
    throw new NotOwnerError(
      `The store in ${path} belongs to host ${owner.host} (machine ${owner.machine}), at ${owner.path}. Run there what needs its objects; ` +
        `if that machine is gone for good, open it once with INSITU_MACHINE_ID=${owner.machine}.`,
      { owner: owner.host, machine: owner.machine, path: owner.path },
    )
  if (owner.path === path || !isOther(owner, path)) return
  throw new NotOwnerError(
    `The store in ${path} is a copy of the one at ${owner.path} on host ${owner.host}. Open that one; if the copy is to live on its own, remove the other first, or make it with \`insitu backup\`.`,
    { owner: owner.host, machine: owner.machine, path: owner.path },
  )
}

/** Whether the old path still holds the store, as another file: then this one is a copy, else it was moved. */
function isOther(owner: Owner, path: string): boolean {
  if (!existsSync(join(owner.path, 'data.mdb'))) return false
  if (sameFile(join(owner.path, 'data.mdb'), join(path, 'data.mdb'))) return false
  try {
    const { store } = JSON.parse(readFileSync(join(owner.path, STORE_FILE), 'utf8')) as Partial<Owner>
    return store === owner.store
  } catch {
    return true // data of which nobody can say whose it is: rather refuse than let two go on as one
  }
}

/** Two paths to one folder, as mounts make them. */
function sameFile(a: string, b: string): boolean {
  const [one, other] = [statSync(a), statSync(b)]
  return one.ino === other.ino && one.dev === other.dev
}

function adopt({ meta }: Environment, owner: Owner): void {
  const path = join(owner.path, STORE_FILE)
  writeFileSync(`${path}.new`, `${JSON.stringify({ format: FILE_FORMAT, store: owner.store })}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
  meta.put(OWNER_KEY, sealValue(OWNER_KEY, owner))
}
