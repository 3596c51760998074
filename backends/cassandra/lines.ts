/** Calls about one thing one after the other, in the order in which they came: side by side they would only be in each other's way. */
export class Lines {
  readonly #last = new Map<string, Promise<unknown>>()

  stand<T>(name: string, call: () => Promise<T>): Promise<T> {
    const before = this.#last.get(name)
    const turn = before ? before.then(call, call) : call()
    this.#last.set(name, turn)
    const leave = (): void => {
      if (this.#last.get(name) === turn) this.#last.delete(name)
    }
    turn.then(leave, leave)
    return turn
  }
}
