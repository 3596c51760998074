/** What the benchmarks of one Redis server share. */
import type { ChainableCommander, Redis } from 'ioredis'
import { inProgram } from '../harness.js'

export const COUNT = 10_000
export const BATCH = 1_000
export const MIB = 1024 * 1024
const TEXT_BYTES = 100

export const textOf = (n: number): string => `${n}:`.padEnd(TEXT_BYTES, 'x')
export const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

export async function inBatches<T>(all: readonly T[], work: (batch: readonly T[]) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < all.length; at += BATCH) await work(all.slice(at, at + BATCH))
}

export async function oneByOne<T>(all: readonly T[], work: (one: T) => Promise<unknown>): Promise<void> {
  for (const one of all) await work(one)
}

/** Commands of a batch in one pipeline, as one writes it by hand. @throws what a command failed with */
export async function piped<T>(
  redis: Redis,
  batch: readonly T[],
  add: (pipeline: ChainableCommander, one: T) => unknown,
): Promise<unknown[]> {
  const pipeline = redis.pipeline()
  for (const one of batch) add(pipeline, one)
  return (await pipeline.exec())!.map(([error, reply]) => {
    if (error) throw error
    return reply
  })
}

export class Field {
  #keys = 0

  constructor(
    readonly url: string,
    readonly plain: Redis,
    readonly auto: Redis,
  ) {}

  program<T>(body: () => Promise<T>): Promise<T> {
    return inProgram(this.url, body)
  }

  /** Keys that nobody has used. */
  keys(count: number): string[] {
    return upTo(count).map(() => `raw:{x}:${String(this.#keys++).padStart(36, '0')}`)
  }

  async rawStored(count: number): Promise<string[]> {
    const keys = this.keys(count)
    await Promise.all(keys.map((key, n) => this.auto.hset(key, 'text', textOf(n))))
    return keys
  }
}
