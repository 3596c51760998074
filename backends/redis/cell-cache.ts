/**
 * Large cells that this process has read or will read again. What lies under a key of a large cell never changes, and the object that names
 * it is asked for each time: so nothing here can be stale, and the memory is all that it costs.
 */
export class CellCache {
  readonly #cells = new Map<string, Buffer>()
  #bytes = 0

  /** `bytesMax` 0: nothing is kept. */
  constructor(readonly bytesMax: number) {}

  get(key: string): Buffer | undefined {
    const found = this.#cells.get(key)
    if (!found) return undefined
    this.#cells.delete(key) // the newest last
    this.#cells.set(key, found)
    return found
  }

  /** Keeps a copy, unless it would push most others out. */
  keep(key: string, value: Buffer): void {
    if (value.length > this.bytesMax / SHARE || this.#cells.has(key)) return
    this.#cells.set(key, Buffer.from(value))
    this.#bytes += value.length
    for (const [oldest, { length }] of this.#cells) {
      if (this.#bytes <= this.bytesMax) return
      this.#cells.delete(oldest)
      this.#bytes -= length
    }
  }

  clear(): void {
    this.#cells.clear()
    this.#bytes = 0
  }
}

/** How many cells fit at least. */
const SHARE = 8
