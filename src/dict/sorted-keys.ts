/**
 * Key texts in order, for many additions between few looks: additions are collected, and sorted and merged when somebody looks.
 * A look after n additions to m keys costs n log n + m; a look after none is a binary search.
 */
export class SortedKeys {
  #sorted: string[] = []
  #fresh: string[] = []

  /** Adding a key twice is harmless. */
  add(key: string): void {
    // keys that come in order, as loads often do, need no sorting at all
    const last = this.#sorted.at(-1)
    if (this.#fresh.length === 0 && (last === undefined || last < key)) this.#sorted.push(key)
    else this.#fresh.push(key)
  }

  /** How many are held, keys added twice perhaps counted twice. */
  get size(): number {
    return this.#sorted.length + this.#fresh.length
  }

  keepOnly(keep: (key: string) => boolean): void {
    this.#settle()
    this.#sorted = this.#sorted.filter(keep)
  }

  /** The keys in [from, to), lazily; those added meanwhile may be missing. */
  *between(from: string, to: string, reverse = false): Generator<string, void> {
    this.#settle()
    const sorted = this.#sorted
    const [first, end] = [this.#firstNotBelow(from), this.#firstNotBelow(to)]
    if (reverse) for (let i = end - 1; i >= first; i--) yield sorted[i]!
    else for (let i = first; i < end; i++) yield sorted[i]!
  }

  /** How many keys there are in [from, to), keys no longer wanted included. */
  countBetween(from: string, to: string): number {
    this.#settle()
    return Math.max(0, this.#firstNotBelow(to) - this.#firstNotBelow(from))
  }

  #firstNotBelow(key: string): number {
    let low = 0
    let high = this.#sorted.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#sorted[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }

  #settle(): void {
    if (this.#fresh.length === 0) return
    this.#sorted = merged(this.#sorted, this.#fresh.sort(byText))
    this.#fresh = []
  }
}

// Not localeCompare, and not the default sort either, which is the same order but calls toString on each comparison.
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function merged(a: readonly string[], b: readonly string[]): string[] {
  const all: string[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    const next = j >= b.length || (i < a.length && a[i]! <= b[j]!) ? a[i++]! : b[j++]!
    if (all.length === 0 || all[all.length - 1] !== next) all.push(next)
  }
  return all
}
