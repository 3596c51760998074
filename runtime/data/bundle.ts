const AT_ONCE = 64

/** Items that are posted together: what comes in one round of events, at most so many. One message costs as much as ten small items. */
export class Bundle<T> {
  #items: T[] = []

  constructor(readonly post: (items: readonly T[]) => void) {}

  add(item: T): void {
    this.#items.push(item)
    if (this.#items.length === 1) setImmediate(() => this.#send())
    if (this.#items.length >= AT_ONCE) this.#send()
  }

  #send(): void {
    if (this.#items.length === 0) return
    const items = this.#items
    this.#items = []
    this.post(items)
  }
}
