import { v4 } from 'uuid'
import { UnknownOutcomeError } from '../errors.js'
import type { Id } from '../ids.js'

const TRIES = 5

/** Numbers what one unit of work appends to streams, and sees to it that it arrives in order. */
export class Appends {
  /** Under this name streams know what was appended. */
  readonly #producer: string
  readonly #next = new Map<Id, number>()
  readonly #last = new Map<Id, Promise<void>>()

  constructor(producer = v4()) {
    this.#producer = producer
  }

  /** Calls `append` with the number of the first of `count` items, when those before have arrived or failed. */
  async inOrder(stream: Id, count: number, append: (producer: string, from: number) => Promise<void>): Promise<void> {
    const from = this.#next.get(stream) ?? 0
    this.#next.set(stream, from + count)
    const before = this.#last.get(stream)
    const mine = (async () => {
      if (before) await before.catch(() => {})
      await again(() => append(this.#producer, from))
    })()
    this.#last.set(stream, mine)
    try {
      await mine
    } finally {
      if (this.#last.get(stream) === mine) this.#last.delete(stream)
    }
  }

  /** When all that was appended up to now has arrived or failed. */
  async arrived(stream: Id): Promise<void> {
    await this.#last.get(stream)?.catch(() => {})
  }
}

/** The same items under the same numbers are appended once, so what nobody can tell is simply sent again. */
async function again(append: () => Promise<void>): Promise<void> {
  for (let nth = 1; ; nth++) {
    try {
      return await append()
    } catch (error) {
      if (!(error instanceof UnknownOutcomeError) || nth === TRIES) throw error
    }
  }
}
