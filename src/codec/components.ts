/** Which fields share a mutable value, directly or through others: the connected components of a union-find over fields. */
export class Components {
  /** Number of the first object met in each field. */
  private readonly starts: number[] = []
  private readonly parents: number[] = []
  private hasJoined = false

  /** The next field begins; objects from `number` on are first met in it. */
  start(number: number): void {
    this.parents.push(this.starts.length)
    this.starts.push(number)
  }

  /** A field holds an object that was first met in an earlier one. */
  join(field: number, number: number): void {
    this.hasJoined = true
    this.parents[this.rootOf(field)] = this.rootOf(this.fieldOf(number))
  }

  /** The components of two fields or more. */
  joined(): number[][] {
    if (!this.hasJoined) return []
    const members = new Map<number, number[]>()
    this.parents.forEach((_, field) => {
      const root = this.rootOf(field)
      members.set(root, [...(members.get(root) ?? []), field])
    })
    return [...members.values()].filter((fields) => fields.length > 1)
  }

  private rootOf(field: number): number {
    while (this.parents[field] !== field) field = this.parents[field]!
    return field
  }

  private fieldOf(number: number): number {
    return this.starts.findLastIndex((start) => start <= number)
  }
}
