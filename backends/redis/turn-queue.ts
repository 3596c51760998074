/**
 * Collects what is asked within one turn of the event loop. Answers that arrive together wake their callers together, and these ask again
 * in the same turn: so a busy program makes few large calls. One that has nothing under way waits only for what runs right now.
 */
export class TurnQueue<Item> {
  #items: Item[] = []
  #underWay = 0

  /** `send` resolves when all are answered; it never rejects. */
  constructor(readonly send: (items: readonly Item[]) => Promise<unknown>) {}

  add(item: Item): void {
    if (this.#items.length === 0) {
      if (this.#underWay === 0) process.nextTick(() => this.#flush())
      else setImmediate(() => this.#flush())
    }
    this.#items.push(item)
  }

  #flush(): void {
    const items = this.#items
    this.#items = []
    this.#underWay++
    void this.send(items).then(() => this.#underWay--)
  }
}

/** A promise and what settles it. */
export interface Waiting<T> {
  readonly resolve: (value: T) => void
  readonly reject: (error: unknown) => void
}

/** When all are done: of one, which is what a program mostly has under way that awaits each call, that one itself. */
export const together = (sent: readonly Promise<unknown>[]): Promise<unknown> => (sent.length === 1 ? sent[0]! : Promise.all(sent))
