import { randomOf } from '../crash/random.js'

/** Chance that is the same for a seed everywhere. */
export class Chance {
  readonly #random: () => number

  constructor(seed: number) {
    this.#random = randomOf(seed)
  }

  below(n: number): number {
    return Math.floor(this.#random() * n)
  }

  one<T>(of: readonly T[]): T {
    return of[this.below(of.length)]!
  }

  /** True once in `n` times. */
  once(n: number): boolean {
    return this.below(n) === 0
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256))
  }

  many<T>(max: number, make: () => T): T[] {
    return Array.from({ length: this.below(max + 1) }, make)
  }
}
