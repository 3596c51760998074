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
