/**
 * Collects what is asked within one turn of the event loop. Answers that arrive together wake their callers together, and these ask again
 * in the same turn: so a busy program makes few large calls, and an idle one waits for nothing.
 */
export class TurnQueue<Item> {
  #items: Item[] = []

  constructor(readonly send: (items: readonly Item[]) => void) {}

  add(item: Item): void {
    if (this.#items.length === 0) setImmediate(() => this.#flush())
    this.#items.push(item)
  }

  #flush(): void {
    const items = this.#items
    this.#items = []
    this.send(items)
  }
}

/** A promise and what settles it. */
export interface Waiting<T> {
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}
