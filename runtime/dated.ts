import { holdsItself } from './nested-lists.js'

/**
 * A list, and lists in it, with what calls make of them in the places of items that a call writes: whoever takes the list later takes that. The
 * list itself where nothing in it is written, or where it holds itself.
 */
export const dated = (list: readonly unknown[], versions: Versions): readonly unknown[] =>
  holdsItself(list) ? list : datedIn(list, versions)

interface Versions {
  get(item: object): object | undefined
}

function datedIn(list: readonly unknown[], versions: Versions): readonly unknown[] {
  let copy: unknown[] | undefined
  for (const [i, item] of list.entries()) {
    if (typeof item !== 'object' || item === null) continue
    const now = versions.get(item) ?? (Array.isArray(item) ? datedIn(item, versions) : item)
    if (now === item) continue
    copy ??= list.slice()
    copy[i] = now
  }
  return copy ?? list
}
