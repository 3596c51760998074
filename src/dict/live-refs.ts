import { Ref } from '../backend.js'
import { type ClassId, newId } from '../ids.js'
import type { References } from './kind.js'

/**
 * A reference inside a volatile dict: it holds the object itself, which may have no id yet. Its own id only orders keys
 * (by age of the first use) and never leaves the process: binding the dict replaces it by the real one.
 */
class LiveRef extends Ref {
  constructor(readonly object: object) {
    super(newId(), '' as ClassId)
  }
}

const refs = new WeakMap<object, LiveRef>()

/** How volatile dicts refer to objects. */
export const liveReferences: References = {
  refOf(object) {
    const known = refs.get(object)
    if (known) return known
    const ref = new LiveRef(object)
    refs.set(object, ref)
    return ref
  },
  resolve: (ref) => (ref as LiveRef).object,
}
