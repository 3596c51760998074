import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Backend } from '../../src/backend.js'
import { ForwardingBackend } from '../conformance/forwarding-backend.js'
import type { Random } from '../simulation/random.js'

/** Lets a random number of turns of the event loop pass before and after each call, so that the calls of several programs overlap. */
export class JitterBackend extends ForwardingBackend {
  readonly #random: Random

  constructor(inner: Backend, random: Random) {
    super(inner)
    this.#random = random
  }

  override commit(...args: Parameters<Backend['commit']>): ReturnType<Backend['commit']> {
    return this.#around(() => this.inner.commit(...args))
  }
  override read(...args: Parameters<Backend['read']>): ReturnType<Backend['read']> {
    return this.#around(() => this.inner.read(...args))
  }
  override find(...args: Parameters<Backend['find']>): ReturnType<Backend['find']> {
    return this.#around(() => this.inner.find(...args))
  }
  override rows(...args: Parameters<Backend['rows']>): ReturnType<Backend['rows']> {
    return this.#around(() => this.inner.rows(...args))
  }
  override marks(...args: Parameters<Backend['marks']>): ReturnType<Backend['marks']> {
    return this.#around(() => this.inner.marks(...args))
  }

  async #around<T>(call: () => Promise<T>): Promise<T> {
    await this.#pause()
    try {
      return await call()
    } finally {
      await this.#pause()
    }
  }

  async #pause(): Promise<void> {
    for (let turns = this.#random.below(4); turns > 0; turns--) await nextTurn()
  }
}
