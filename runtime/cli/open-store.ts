import { accessSync, constants, existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Backend, Ref, Stored } from '../../src/backend.js'
import { findResolved, readResolved } from '../../src/commit/index.js'
import { isInsituError, NotFoundError, UnavailableError } from '../../src/errors.js'
import { idIn } from '../../src/ids.js'
import { LargeCells } from '../../src/large-cells.js'
import type { Store } from '../../src/store.js'
import { configuredStorage } from '../connect.js'
import { folderOf, hostsIn } from '../hosts/hosts-folder.js'
import { connect } from '../index.js'
import { makeBackend } from '../open-backend.js'
import type { CommonOptions } from './cli-config.js'

/**
 * Opens a store that is there, lets `body` look at it through the backend contract, or write units of work, and closes it again.
 * @throws UnavailableError ERR_NO_STORE, and what opening throws
 */
export async function withStore<T>({ storage }: CommonOptions, body: (backend: Backend, store: Store) => Promise<T>): Promise<T> {
  const url = storage ?? (await configuredStorage())
  requireShared(url)
  return withOpened(url, body)
}

/** The same of any store, also one that is empty whenever it is opened. */
export async function withOpened<T>(url: string, body: (backend: Backend, store: Store) => Promise<T>): Promise<T> {
  await requireStanding(url)
  const store = await connect(url)
  try {
    return await body(store.backend, store)
  } finally {
    await store.close()
  }
}

function requireShared(url: string): void {
  if (!url.startsWith('memory:')) return
  throw new UnavailableError(`what ${url} holds lies in the program that opened it, where no command can look: --storage names another`, {
    code: 'ERR_NO_STORE',
  })
}

/** Opening makes a file that is missing, which is right for programs: a command that looks for what is stored has been given a wrong name. */
export async function requireStanding(url: string): Promise<void> {
  const folder = await folderToBe(url)
  if (folder === undefined) return
  throw new UnavailableError(`there is no store in ${folder}: a program makes it when it first stores something; --storage names another`, {
    code: 'ERR_NO_STORE',
    folder,
  })
}

/**
 * The folder in which a program that opens the url makes the store; `undefined` where one stands, or opening it says what is wrong.
 * @throws UnsupportedError: no program can open the url
 */
export async function folderToBe(url: string): Promise<string | undefined> {
  const folder = folderOf(url.split('?', 1)[0]!)
  if (folder === undefined || existsSync(join(folder, 'data.mdb')) || hostsIn(folder) !== undefined || isFileOrHidden(folder))
    return undefined
  await makeBackend(url)
  return folder
}

/** A folder that this user may not look into hides what is in it. */
function isFileOrHidden(folder: string): boolean {
  try {
    if (statSync(folder, { throwIfNoEntry: false })?.isFile()) return true
    accessSync(folder, constants.X_OK)
    return false
  } catch (error) {
    return ['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')
  }
}

export const isNoStore = (error: unknown): error is Error => isInsituError(error) && error.code === 'ERR_NO_STORE'

/** Resolves what a user typed: an id, or else an alias (also one that looks like an id). @throws NotFoundError */
async function found(backend: Backend, what: string): Promise<Ref> {
  const id = idIn(what)
  const asked = id ? ([id, { alias: what }] as const) : ([{ alias: what }] as const)
  const refs = await findResolved(backend, asked, { backendOf: () => backend })
  const ref = refs.find((answer) => answer !== undefined)
  if (!ref) throw new NotFoundError(`no object with alias or id ${what} in ${backend.url}: \`insitu ls\` lists what is there`, { what })
  return ref
}

/** The stored object behind an alias or id, large fields and all. @throws NotFoundError */
export async function storedObject(backend: Backend, what: string): Promise<Stored> {
  const ref = await found(backend, what)
  const read = (refs: readonly Ref[]): Promise<readonly (Stored | undefined)[]> => readResolved(backend, refs, { backendOf: () => backend })
  const whole = new LargeCells({ read, commit: () => Promise.reject(new TypeError('only read')) })
  const [stored] = await read([ref])
  if (!stored) throw new NotFoundError(`${what} names object ${ref.id}, which is no longer in ${backend.url}`, { what, id: ref.id })
  return (await whole.inflate([stored]))[0] ?? stored
}

/** All names of an object, sorted. */
export async function aliasesOf(backend: Backend, ref: Ref): Promise<readonly string[]> {
  const names: string[] = []
  for await (const page of backend.aliases({ ref })) for (const [alias] of page) names.push(alias)
  return names.sort()
}
