/** Lists in lists, of which one may hold itself: as a value it is like any other, but who took it apart would never end. */

/** Whether an item of a list, or of lists in it, is so. Each list is gone over once. */
export function someItem(list: readonly unknown[], isSo: (item: unknown) => boolean): boolean {
  let nested: Set<readonly unknown[]> | undefined
  const look = (one: readonly unknown[]): boolean => {
    for (const item of one) {
      if (Array.isArray(item)) (nested ??= new Set([list])).add(item)
      else if (isSo(item)) return true
    }
    return false
  }
  if (look(list)) return true
  if (nested) for (const one of nested) if (one !== list && look(one)) return true
  return false
}

/** The items of a list, and of lists in it, that are no lists. */
export function itemsIn(list: readonly unknown[]): readonly unknown[] {
  const items: unknown[] = []
  someItem(list, (item) => items.push(item) === 0)
  return items
}

/** Whether a list holds a list that holds itself, at whatever depth. */
export function holdsItself(list: readonly unknown[]): boolean {
  if (!list.some(Array.isArray)) return false
  const [above, over] = [new Set<unknown>(), new Set<unknown>()]
  const visit = (one: readonly unknown[]): boolean => {
    if (above.has(one)) return true
    if (over.has(one)) return false
    above.add(one)
    const isFound = one.some((item) => Array.isArray(item) && visit(item))
    above.delete(one)
    over.add(one)
    return isFound
  }
  return visit(list)
}
