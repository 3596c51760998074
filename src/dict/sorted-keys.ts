/**
 * A set of key texts in order. Keys are put in runs of bounded length, so that adding or removing one moves few others. New keys wait
 * unsorted until somebody looks: a load that is only sent sorts once.
 */
const RUN_MAX = 512

export class SortedKeys {
  /** Never empty runs, each in order and below the next one. */
  #runs: string[][] = []
  #fresh: string[] = []

  /** The key must not be in the set. */
  add(key: string): void {
    this.#fresh.push(key)
  }

  /** The key must be in the set. */
  delete(key: string): void {
    this.#settle()
    const at = this.#runOf(key)
    const run = this.#runs[at]!
    run.splice(firstNotBelow(run, key), 1)
    if (run.length === 0) this.#runs.splice(at, 1)
  }

  /** The keys in [from, to), lazily: the set must not change before the last one is taken. */
  *between(from: string, to: string, reverse = false): Generator<string, void> {
    this.#settle()
    const [first, last] = [this.#runOf(from), this.#runOf(to)]
    for (let i = 0; i <= last - first; i++) {
      const run = this.#runs[reverse ? last - i : first + i]
      if (run) yield* part(run, firstNotBelow(run, from), firstNotBelow(run, to), reverse)
    }
  }

  countBetween(from: string, to: string): number {
    this.#settle()
    let count = 0
    for (let i = this.#runOf(from); i <= this.#runOf(to) && i < this.#runs.length; i++)
      count += Math.max(0, firstNotBelow(this.#runs[i]!, to) - firstNotBelow(this.#runs[i]!, from))
    return count
  }

  /** The index of the first run that ends at or above a key; the number of runs when all end below. */
  #runOf(key: string): number {
    let low = 0
    let high = this.#runs.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#runs[middle]!.at(-1)! < key) low = middle + 1
      else high = middle
    }
    return low
  }

  #settle(): void {
    if (this.#fresh.length === 0) return
    const fresh = this.#fresh
    this.#fresh = []
    // a few keys are put in one by one; for many it is cheaper to lay out all runs again
    if (fresh.length < this.#runs.length) for (const key of fresh) this.#insert(key)
    else this.#runs = runsOf(merged(this.#runs.flat(), fresh.sort(byText)))
  }

  #insert(key: string): void {
    const at = Math.min(this.#runOf(key), this.#runs.length - 1)
    const run = this.#runs[at]!
    run.splice(firstNotBelow(run, key), 0, key)
    if (run.length > RUN_MAX) this.#runs.splice(at, 1, run.slice(0, RUN_MAX / 2), run.slice(RUN_MAX / 2))
  }
}

// Not localeCompare, and not the default sort, which is the same order for these texts but compares them as any value.
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)

function firstNotBelow(run: readonly string[], key: string): number {
  let low = 0
  let high = run.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (run[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}

function* part(run: readonly string[], first: number, end: number, reverse: boolean): Generator<string, void> {
  if (reverse) for (let i = end - 1; i >= first; i--) yield run[i]!
  else for (let i = first; i < end; i++) yield run[i]!
}

function merged(a: readonly string[], b: readonly string[]): readonly string[] {
  if (a.length === 0) return b
  const all: string[] = []
  let i = 0
  let j = 0
  while (i < a.length && j < b.length) all.push(a[i]! < b[j]! ? a[i++]! : b[j++]!)
  while (i < a.length) all.push(a[i++]!)
  while (j < b.length) all.push(b[j++]!)
  return all
}

function runsOf(keys: readonly string[]): string[][] {
  const runs: string[][] = []
  for (let at = 0; at < keys.length; at += RUN_MAX / 2) runs.push(keys.slice(at, at + RUN_MAX / 2))
  return runs
}
