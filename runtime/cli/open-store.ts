import type { Backend, Ref, Stored } from '../../src/backend.js'
import { findResolved, readResolved } from '../../src/commit/index.js'
import { NotFoundError } from '../../src/errors.js'
import { isIdText } from '../../src/ids.js'
import { LargeCells } from '../../src/large-cells.js'
import type { Store } from '../../src/store.js'
import { connect } from '../index.js'
import type { CommonOptions } from './cli-config.js'

/** Opens the store, lets `body` look at it through the backend contract, or write units of work, and closes it again. */
export async function withStore<T>({ storage }: CommonOptions, body: (backend: Backend, store: Store) => Promise<T>): Promise<T> {
  const store = await connect(storage)
  try {
    return await body(store.backend, store)
  } finally {
    await store.close()
  }
}

/** Resolves what a user typed: an id, or else an alias (also one that looks like an id). @throws NotFoundError */
async function found(backend: Backend, what: string): Promise<Ref> {
  const asked = isIdText(what) ? ([what, { alias: what }] as const) : ([{ alias: what }] as const)
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
