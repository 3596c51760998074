import { inspect } from 'node:util'

/** What may be gone through. Without types one thing, where a list of them is wanted, would pass for an empty list. @throws TypeError */
export function listOf<T>(list: Iterable<T>, what: string, members: string): Iterable<T> {
  if (typeof list === 'object' && list !== null && Symbol.iterator in list) return list
  throw new TypeError(`${what}() wants a list of ${members}, got ${inspect(list, { depth: 0 })}`)
}
