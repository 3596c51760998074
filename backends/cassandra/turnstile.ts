/** Lets so many calls pass at once; the others wait in line. */
export class Turnstile {
  readonly #waiting: (() => void)[] = []
  #inside = 0
  #head = 0

  constructor(readonly max: number) {}

  pass<T>(call: () => Promise<T>): Promise<T> {
    if (this.#inside < this.max) return this.#enter(call)
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => {
        this.#enter(call).then(resolve, reject)
      })
    })
  }

  #enter<T>(call: () => Promise<T>): Promise<T> {
    this.#inside++
    const done = started(call)
    done.then(
      () => this.#leave(),
      () => this.#leave(),
    )
    return done
  }

  #leave(): void {
    this.#inside--
    const next = this.#waiting[this.#head]
    if (!next) return
    if (++this.#head === this.#waiting.length || this.#head > 1024) {
      this.#waiting.splice(0, this.#head) // taking each from the front would move all the others every time
      this.#head = 0
    }
    next()
  }
}

/** A call that fails before it begins is no less a failed call. */
async function started<T>(call: () => Promise<T>): Promise<T> {
  return call()
}
