/** What a user's class and its instances look like to the core. The only place that steps around their types. */
import type { Constructor } from '../classes/class-locator.js'
import type { StorageObject } from './storage-object.js'

/** Static members of a user's class that the core looks at. */
export interface ClassSettings {
  readonly merge?: 'fields'
  readonly columns?: unknown
  restore?(fields: Record<string, unknown>): object
}

export const settingsOf = (ctor: Constructor): ClassSettings => ctor as unknown as ClassSettings

/** Runs the constructor without arguments, as a class without `restore` must bear. */
export const construct = (ctor: Constructor): object => new (ctor as unknown as new () => object)()

/** An instance as a record of its fields. */
export const recordOf = (instance: StorageObject): Record<string, unknown> => instance as unknown as Record<string, unknown>
