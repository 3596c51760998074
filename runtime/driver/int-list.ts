const FIRST_CAPACITY = 64

/** Integers that are only appended, four bytes each: a million waiting calls must not cost a million objects. */
export class IntList {
  #items = new Int32Array(FIRST_CAPACITY)
  length = 0

  push(value: number): void {
    if (this.length === this.#items.length) this.#grow()
    this.#items[this.length++] = value
  }

  at(i: number): number {
    return this.#items[i]!
  }

  set(i: number, value: number): void {
    this.#items[i] = value
  }

  /** Drops what was pushed since the list had this length. */
  cutTo(length: number): void {
    this.length = length
  }

  /** All of it; the list is empty afterwards. A few go as a plain array, which is made faster. */
  take(): Int32Array | readonly number[] {
    const { length } = this
    this.length = 0
    if (length <= FIRST_CAPACITY) return numbers(this.#items, length)
    const taken = this.#items.subarray(0, length)
    this.#items = new Int32Array(FIRST_CAPACITY)
    return taken
  }

  #grow(): void {
    const grown = new Int32Array(this.#items.length * 2)
    grown.set(this.#items)
    this.#items = grown
  }
}

function numbers(from: Int32Array, length: number): number[] {
  const taken: number[] = []
  for (let i = 0; i < length; i++) taken.push(from[i]!)
  return taken
}
