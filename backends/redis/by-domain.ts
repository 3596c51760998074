/** Items by their domain, in the order in which each was first met. */
export function byDomain<Item>(items: Iterable<Item>, domainOf: (item: Item) => number): Map<number, Item[]> {
  const groups = new Map<number, Item[]>()
  for (const item of items) {
    const domain = domainOf(item)
    const group = groups.get(domain)
    if (group) group.push(item)
    else groups.set(domain, [item])
  }
  return groups
}

/** Lists of at most so many. */
export const chunks = <T>(items: readonly T[], max: number): T[][] =>
  Array.from({ length: Math.ceil(items.length / max) }, (_, i) => items.slice(i * max, (i + 1) * max))
