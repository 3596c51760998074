import type { Ref } from '../backend.js'
import type { Constructor } from '../classes/class-locator.js'
import { classOf, constructorOf } from '../classes/class-registry.js'
import { WrongClassError } from '../errors.js'
import { constructorOfInstance } from '../objects/fields.js'
import type { ObjectState } from '../objects/object-state.js'
import { StorageObject } from '../objects/storage-object.js'

/** Refuses an object that is none of the class it was asked for as. */
export function assertClass(ctor: Constructor, ref: Ref, what: string): void {
  if (ctor === StorageObject || classOf(ctor).id === ref.classId) return
  const actual = constructorOf(ref.classId)
  if (actual === ctor || actual.prototype instanceof ctor) return
  throw new WrongClassError(`${what} is a ${ref.classId}, not a ${ctor.name}: get it as its own class`, {
    expected: classOf(ctor).id,
    found: ref.classId,
  })
}

/** Refuses an object of another class than the instance that is to become it: a subclass would bring fields and methods that it lacks. */
export function assertSameClass({ instance }: ObjectState, alias: string, ref: Ref): void {
  const ctor = constructorOfInstance(instance)
  if (classOf(ctor).id === ref.classId || constructorOf(ref.classId) === ctor) return
  throw new WrongClassError(`alias ${alias} is a ${ref.classId}, not a ${ctor.name}`, {
    alias,
    expected: classOf(ctor).id,
    found: ref.classId,
  })
}
