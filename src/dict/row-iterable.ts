/**
 * Pages as single items. Written by hand: an async generator costs three turns of the microtask queue per row, this one.
 * Each `for await` starts a scan of its own.
 */
export function itemsOf<P, T>(pages: () => AsyncIterator<readonly P[], void>, item: (row: P) => T): AsyncIterable<T> {
  return { [Symbol.asyncIterator]: () => new ItemIterator(pages(), item) }
}

const DONE: IteratorReturnResult<undefined> = { done: true, value: undefined }

class ItemIterator<P, T> implements AsyncIterator<T, undefined> {
  #page: readonly P[] = []
  #at = 0
  /** The last page asked for; further calls wait in line behind it. */
  #turning: Promise<unknown> | undefined

  constructor(
    readonly pages: AsyncIterator<readonly P[], void>,
    readonly item: (row: P) => T,
  ) {}

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#turning) return this.#afterTurning()
    if (this.#at < this.#page.length) return this.#give()
    return this.#turned()
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    this.#page = []
    await this.pages.return?.()
    return DONE
  }

  // async: a cell that cannot come back is a rejection, like any other failure of the scan
  async #give(): Promise<IteratorResult<T, undefined>> {
    return { done: false, value: this.item(this.#page[this.#at++]!) }
  }

  async #afterTurning(): Promise<IteratorResult<T, undefined>> {
    await this.#turning
    return this.next()
  }

  async #turned(): Promise<IteratorResult<T, undefined>> {
    const turning = this.pages.next()
    this.#turning = turning.catch(() => {})
    try {
      const page = await turning
      this.#at = 0
      this.#page = page.done ? [] : page.value
      return page.done ? DONE : await this.#give()
    } finally {
      this.#turning = undefined
    }
  }
}
