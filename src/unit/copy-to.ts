import type { Backend, Ref } from '../backend.js'
import type { Host } from '../ids.js'
import { noReplicas } from './unit-errors.js'

/** A further copy of an object on a host; without one, on the next that has none. When all have one there is nothing to do. */
export async function copyTo(backend: Backend, ref: Ref, host: Host | undefined): Promise<void> {
  const { replicas, places, url } = backend
  if (!replicas || (host === undefined && !places)) throw noReplicas(url)
  const to = host ?? (await hostWithout(backend, ref))
  if (to !== undefined) await replicas.copy(ref, to)
}

async function hostWithout(backend: Backend, ref: Ref): Promise<Host | undefined> {
  const places = backend.places!
  const { hosts } = places
  const [found] = await backend.locate([ref])
  const own = hosts.indexOf(places.hostOf(ref.id))
  const inTurn = [...hosts.slice(own + 1), ...hosts.slice(0, own)]
  return inTurn.find((one) => !found?.some((location) => location.host === one))
}
