/** How objects are referred to: by an id that is fixed as soon as somebody needs it, and by the store that they lie in where that is another. */
import { Ref } from '../backend.js'
import { classOf } from '../classes/class-registry.js'
import { newId } from '../ids.js'
import { hasColumns } from '../objects/declared-columns.js'
import { constructorOfInstance } from '../objects/fields.js'
import type { ObjectState } from '../objects/object-state.js'
import type { Store } from '../store.js'

/**
 * The reference to an object as another object of `store` holds it: with the store that it lies in, where that is another. `home`: the one that
 * is getting it.
 */
export function refFrom(store: Store, state: ObjectState, home?: Store): Ref {
  const ref = refOf(state, store)
  const its = ref.store === undefined ? (state.unit?.store ?? home) : undefined
  if (!its || its.url === store.url) return ref
  store.meet(its)
  return new Ref(ref.id, ref.classId, its.url)
}

/** Where a name says the id, an object that is to have the name gets that one, unless something refers to it already. */
export function nameFirst(state: ObjectState, alias: string, store: Store): void {
  const ctor = constructorOfInstance(state.instance)
  const { declared } = store.backend
  if (!declared || state.ref || state.provisional || !hasColumns(ctor)) return
  state.provisional = new Ref(declared.idOf(alias), classOf(ctor).id)
}

/** After a failure: the next try may be under another name, or none. */
export function forgetName(state: ObjectState, alias: string | undefined, { backend: { declared } }: Store): void {
  if (!declared || state.ref || alias === undefined || state.provisional?.id !== declared.idOf(alias)) return
  state.provisional = undefined
  state.mayStand = false
}

/** The object's reference, fixed as soon as somebody needs it. */
export function refOf(state: ObjectState, { backend: { places } }: Store): Ref {
  if (state.ref) return state.ref
  state.provisional ??= new Ref(places?.idAt(state.host) ?? newId(), classOf(constructorOfInstance(state.instance)).id)
  return state.provisional
}
