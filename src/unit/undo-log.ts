import { contentsOf } from './contents.js'

/** What was done since a certain moment: either taken back, or left as it is. */
export interface Savepoint {
  undo(): void
  release(): void
}

/** How to take back what a part of a unit of work has done while the rest of it goes on: steps, of which the last is taken back first. */
export class UndoLog {
  readonly #steps: (() => void)[] = []
  #open = 0
  #isUndoing = false
  /** Values whose contents are known as they were at the last savepoint. */
  #kept = new Set<object>()
  #epoch = 0

  /** Whether anybody may want to take back what is done now. */
  get isOn(): boolean {
    return this.#open > 0 && !this.#isUndoing
  }

  /** Another one for each savepoint: what was kept for an earlier one is to be kept again. */
  get epoch(): number {
    return this.#epoch
  }

  push(step: () => void): void {
    if (this.isOn) this.#steps.push(step)
  }

  /** Remembers what a value holds now, unless it does already. */
  keep(value: unknown): void {
    if (this.isOn) for (const step of contentsOf(value, this.#kept)) this.#steps.push(step)
  }

  savepoint(): Savepoint {
    const at = this.#steps.length
    this.#open++
    this.#renew()
    const end = (): void => {
      this.#open--
      this.#renew()
      if (this.#open === 0) this.#steps.length = 0
    }
    return {
      undo: () => {
        this.#undoTo(at)
        end()
      },
      release: end,
    }
  }

  #undoTo(at: number): void {
    this.#isUndoing = true
    try {
      while (this.#steps.length > at) this.#steps.pop()!()
    } finally {
      this.#isUndoing = false
    }
  }

  #renew(): void {
    this.#kept = new Set()
    this.#epoch++
  }
}
