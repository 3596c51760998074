/** The folder of a store over several hosts: how many they are, and where their files lie. */
import { existsSync, linkSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import {
  CorruptError,
  isInsituError,
  NotOwnerError,
  StateLostError,
  UnavailableError,
  UnsupportedError,
  ValidationError,
} from '../../src/errors.js'
import { makeFolders } from '../../src/make-folders.js'
import { checkHosts, HOSTS_MAX, hostNames } from './host-ids.js'

const HOSTS_FILE = 'hosts.json'
const FORMAT = 1

/** The folder of an `nvram:` url, or `undefined` for another url. */
export function folderOf(url: string): string | undefined {
  const rest = /^nvram:([^?]*)$/s.exec(url)?.[1]
  return rest === undefined ? undefined : resolve(rest || '.insitu')
}

/** What stands in the file. `made`: every file of the store has been there; `files`: the id of each, by the name of its folder. */
interface HostsNote {
  readonly format: typeof FORMAT
  readonly hosts: number
  readonly made?: boolean
  readonly files?: Ids
}

type Ids = Readonly<Record<string, string>>

/** How many hosts a store has; `undefined` where there is none of several hosts. @throws CorruptError, UnsupportedError */
export const hostsIn = (folder: string): number | undefined => noteIn(folder)?.hosts

function noteIn(folder: string): HostsNote | undefined {
  const path = join(folder, HOSTS_FILE)
  if (!existsSync(path)) {
    if (hasFiles(folder)) throw unreadable(path)
    return undefined
  }
  const { format, hosts, made, files } = parsed(path)
  if (Number.isInteger(format) && format !== FORMAT)
    throw new UnsupportedError(`the store in ${folder} has format ${String(format)}, this version reads ${FORMAT}`, {
      code: 'ERR_FORMAT_VERSION',
      format,
    })
  if (format !== FORMAT || !isCount(hosts)) throw unreadable(path)
  return { format, hosts, made: made === true, files: Object(files) as Ids }
}

const isCount = (hosts: unknown): hosts is number => Number.isInteger(hosts) && Number(hosts) >= 1 && Number(hosts) <= HOSTS_MAX

/** Those of a store of several hosts, with or without the note that says how many they are. */
const hasFiles = (folder: string): boolean =>
  !existsSync(join(folder, 'data.mdb')) && ['host-1', 'catalogue'].every((name) => existsSync(join(folder, name, 'data.mdb')))

function parsed(path: string): Readonly<Record<string, unknown>> {
  try {
    return Object(JSON.parse(readFileSync(path, 'utf8'))) as Record<string, unknown>
  } catch (cause) {
    throw unreadable(path, cause)
  }
}

const unreadable = (path: string, cause?: unknown): Error =>
  new CorruptError(`${path} cannot be read: restore it, or write {"format":1,"hosts":N} into it, N being the number of host folders`, {
    path,
    ...(cause !== undefined && { cause }),
  })

/**
 * Files that were there are there still, each where it was: a new one in the place of one that is gone, or that of another host, would look as
 * if what lay in it had been deleted.
 * @throws StateLostError naming the first that is gone; NotOwnerError naming one that stands in the place of another
 */
export function requireFiles(folder: string): void {
  const note = noteIn(folder)
  if (!note?.made) return
  requirePlaces(folder, note)
  const gone = filesOf(note.hosts).find((name) => !statSync(join(folder, name, 'data.mdb'), { throwIfNoEntry: false })?.size)
  if (gone === undefined) return
  const path = join(folder, gone, 'data.mdb')
  throw new StateLostError(
    `${path} is gone or empty, and with it what the store in ${folder} had there: restore it, or the whole store from a backup`,
    {
      path,
    },
  )
}

/** A file that is not known is one that was restored. */
function requirePlaces(folder: string, { hosts, files = {} }: HostsNote): void {
  for (const [name, id] of Object.entries(idsIn(folder, hosts))) {
    const home = Object.keys(files).find((other) => files[other] === id)
    if (home === undefined || home === name) continue
    const path = join(folder, name)
    throw new NotOwnerError(`${path} holds the file of ${home}: put the folders of the store in ${folder} back in their places`, {
      path,
      owner: home,
    })
  }
}

/** Of each file that says which it is. */
function idsIn(folder: string, hosts: number): Ids {
  const ids: Record<string, string> = {}
  for (const name of filesOf(hosts)) {
    const id = storeIdIn(join(folder, name))
    if (id !== undefined) ids[name] = id
  }
  return ids
}

function storeIdIn(folder: string): string | undefined {
  try {
    const { store } = JSON.parse(readFileSync(join(folder, 'store.json'), 'utf8')) as { readonly store?: unknown }
    return typeof store === 'string' ? store : undefined
  } catch {
    return undefined // it says nothing of itself, and opening it says why
  }
}

/** Their folders. */
export const filesOf = (hosts: number): readonly string[] => [...hostNames(hosts), 'catalogue']

/** From now on a file that is not there, or stands elsewhere, has been lost or moved. Whole or not at all, whoever else does it; where it cannot be noted now, the next one does. */
export function noteMade(folder: string): void {
  const note = noteIn(folder)
  if (!note) return
  const files = idsIn(folder, note.hosts)
  if (note.made && isDeepStrictEqual(files, note.files)) return
  const draft = join(folder, `${HOSTS_FILE}.${process.pid}`)
  try {
    writeFileSync(draft, noteText(note.hosts, true, files), { mode: 0o600 })
    renameSync(draft, join(folder, HOSTS_FILE))
  } catch {
    rmSync(draft, { force: true })
  }
}

export const noteText = (hosts: number, made: boolean, files?: Ids): string =>
  `${JSON.stringify({ format: FORMAT, hosts, ...(made && { made }), ...(files && { files }) } satisfies HostsNote)}\n`

/**
 * Makes the folder, or makes sure that it has as many hosts.
 * @throws ValidationError ERR_HOSTS_DIFFER: it was made with another number, or for one host; UnavailableError where none can be made
 */
export function claimHosts(folder: string, count: number): void {
  checkHosts(count)
  const found = madeIn(folder, count)
  if (found !== count)
    throw new ValidationError(`the store in ${folder} was made with ${found} hosts: run with --hosts ${found}, or use another folder`, {
      code: 'ERR_HOSTS_DIFFER',
      hosts: found,
    })
}

function madeIn(folder: string, count: number): number | undefined {
  try {
    makeFolders(folder)
    if (hostsIn(folder) === undefined) makeHosts(folder, count)
    return hostsIn(folder)
  } catch (cause) {
    if (isInsituError(cause)) throw cause
    throw new UnavailableError(`a store cannot be made in ${folder}: ${(cause as Error).message}`, { folder, cause })
  }
}

/** Whole or not at all, and the first of several that do it at once wins. */
function makeHosts(folder: string, count: number): void {
  if (existsSync(join(folder, 'data.mdb')))
    throw new ValidationError(`the store in ${folder} is one file of one host: run without --hosts, or use another folder`, {
      code: 'ERR_HOSTS_DIFFER',
      hosts: 1,
    })
  const path = join(folder, HOSTS_FILE)
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, noteText(count, false), { mode: 0o600 })
  try {
    linkSync(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    rmSync(draft)
  }
}

export const catalogueUrl = (folder: string): string => `nvram:${join(folder, 'catalogue')}?host=catalogue`

export const fileUrl = (folder: string, index: number, count: number): string => {
  const name = hostNames(count)[index]!
  return `nvram:${join(folder, name)}?host=${name}`
}

/** The default folder, or one inside it where that one is a store of another kind. */
export function folderFor(folder: string, count: number): string {
  const found = hostsIn(folder)
  const isFree = found === undefined && !existsSync(join(folder, 'data.mdb'))
  return isFree || found === count ? folder : join(folder, `hosts-${count}`)
}
