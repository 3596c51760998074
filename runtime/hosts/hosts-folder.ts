/** The folder of a store over several hosts: how many they are, and where their files lie. */
import { existsSync, linkSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { CorruptError, UnsupportedError, ValidationError } from '../../src/errors.js'
import { makeFolders } from '../../src/make-folders.js'
import { checkHosts, hostNames } from './host-ids.js'

const HOSTS_FILE = 'hosts.json'
const FORMAT = 1

/** The folder of an `nvram:` url, or `undefined` for another url. */
export function folderOf(url: string): string | undefined {
  const rest = /^nvram:([^?]*)$/s.exec(url)?.[1]
  return rest === undefined ? undefined : resolve(rest || '.insitu')
}

/** How many hosts a store has; `undefined` where there is none of several hosts. @throws CorruptError, UnsupportedError */
export function hostsIn(folder: string): number | undefined {
  const path = join(folder, HOSTS_FILE)
  if (!existsSync(path)) return undefined
  let found: { readonly format?: unknown; readonly hosts?: unknown }
  try {
    found = JSON.parse(readFileSync(path, 'utf8')) as typeof found
  } catch (cause) {
    throw new CorruptError(
      `${path} cannot be read: restore it, or write {"format":1,"hosts":N} into it, N being the number of host folders`,
      { path, cause },
    )
  }
  if (found.format !== FORMAT)
    throw new UnsupportedError(`the store in ${folder} has format ${String(found.format)}, this version reads ${FORMAT}`, {
      code: 'ERR_FORMAT_VERSION',
      format: found.format,
    })
  return checkHosts(found.hosts as number)
}

/**
 * Makes the folder, or makes sure that it has as many hosts.
 * @throws ValidationError ERR_HOSTS_DIFFER: it was made with another number, or for one host
 */
export function claimHosts(folder: string, count: number): void {
  checkHosts(count)
  makeFolders(folder)
  if (hostsIn(folder) === undefined) makeHosts(folder, count)
  const found = hostsIn(folder)
  if (found !== count)
    throw new ValidationError(`the store in ${folder} was made with ${found} hosts: run with --hosts ${found}, or use another folder`, {
      code: 'ERR_HOSTS_DIFFER',
      hosts: found,
    })
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
  writeFileSync(draft, `${JSON.stringify({ format: FORMAT, hosts: count })}\n`, { mode: 0o600 })
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
