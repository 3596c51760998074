/** How many calls are not over, and who waits for it. */
export class Pending {
  count = 0
  #waiting: { readonly atMost: number; readonly resolve: () => void }[] = []

  /** `onBusy` is told when the first one comes and when the last one went. */
  constructor(readonly onBusy: (busy: boolean) => void) {}

  begin(): void {
    if (this.count++ === 0) this.onBusy(true)
  }

  end(): void {
    this.count--
    if (this.#waiting.length > 0) this.#wake()
    if (this.count === 0) this.onBusy(false)
  }

  /** Resolves when at most so many are pending. */
  async atMost(n: number): Promise<void> {
    while (this.count > n) await new Promise<void>((resolve) => this.#waiting.push({ atMost: n, resolve }))
  }

  #wake(): void {
    const due = this.#waiting.filter((w) => this.count <= w.atMost)
    if (due.length === 0) return
    this.#waiting = this.#waiting.filter((w) => this.count > w.atMost)
    for (const { resolve } of due) resolve()
  }
}
