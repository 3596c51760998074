/**
 * A list, and lists in it, with what calls make of them in the places of items that a call writes: whoever takes the list later takes that. The
 * list itself where nothing in it is written.
 */
export function dated(list: readonly unknown[], versions: { get(item: object): object | undefined }): readonly unknown[] {
  let copy: unknown[] | undefined
  for (const [i, item] of list.entries()) {
    if (typeof item !== 'object' || item === null) continue
    const now = versions.get(item) ?? (Array.isArray(item) ? dated(item, versions) : item)
    if (now === item) continue
    copy ??= list.slice()
    copy[i] = now
  }
  return copy ?? list
}
