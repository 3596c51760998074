import { StorageObject } from 'insitu'

/** What several programs change at once. */
export class Shared extends StorageObject {
  static readonly typeName = 'insitu/test#Shared'
  n = 0
  /** Written together with `n`, so that a torn read shows. */
  text = '0'
  by: Record<string, number> = {}
}
