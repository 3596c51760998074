/** Lets so many calls pass at once; the others wait in line. */
export class Turnstile {
  readonly #waiting: (() => void)[] = []
  #inside = 0
  #head = 0

  constructor(readonly max: number) {}

  async pass<T>(call: () => Promise<T>): Promise<T> {
    if (this.#inside < this.max) this.#inside++
    else await new Promise<void>((resolve) => void this.#waiting.push(resolve))
    try {
      return await call()
    } finally {
      this.#leave()
    }
  }

  /** The next in line takes the place. */
  #leave(): void {
    const next = this.#waiting[this.#head]
    if (!next) {
      this.#inside--
      return
    }
    if (++this.#head === this.#waiting.length || this.#head > 1024) {
      this.#waiting.splice(0, this.#head) // taking each from the front would move all the others every time
      this.#head = 0
    }
    next()
  }
}
