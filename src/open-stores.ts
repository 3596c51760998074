import type { Ref } from './backend.js'
import { UnavailableError } from './errors.js'
import type { Store } from './store.js'

/** The stores that this process has open, newest last: what refers to an object of another store is resolved with them. */
const open = new Set<Store>()

export const noteOpen = (store: Store): void => void open.add(store)

/** Who keeps something for stores of the program that are open. */
const keepers = new Set<(closed: Store) => void>()

export function noteClosed(store: Store): void {
  if (open.delete(store)) for (const letGo of keepers) letGo(store)
}

/** `letGo` is told of each store that is closed from now on, until what is given back is called. */
export function whenClosed(letGo: (closed: Store) => void): () => void {
  keepers.add(letGo)
  return () => void keepers.delete(letGo)
}

export const openStores = (): Iterable<Store> => open

/** The store of a url. Several programs of one process may each have one: then `known`, else the newest. */
export function openStoreAt(url: string, known: ReadonlyMap<string, Store>): Store | undefined {
  const met = known.get(url)
  if (met && !met.closed) return met
  let found: Store | undefined
  for (const store of open) if (store.url === url) found = store
  return found
}

/** The stores of other urls that this process has open, one of each. */
export function otherStores(than: Store): readonly Store[] {
  if (open.size < 2) return NO_STORES
  const byUrl = new Map<string, Store>()
  for (const store of open) if (store.url !== than.url) byUrl.set(store.url, store)
  return [...byUrl.values()]
}
const NO_STORES: readonly Store[] = []

export const storeNotOpen = ({ id, store }: Ref): UnavailableError =>
  new UnavailableError(`object ${id} lies in ${store}, which this program has not opened: connect() to it first`, {
    code: 'ERR_STORE_NOT_OPEN',
    id,
    store,
  })
