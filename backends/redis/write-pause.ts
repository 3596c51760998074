import type { Redis } from 'ioredis'
import { UnavailableError } from '../../src/errors.js'
import type { RedisConfig } from './redis-config.js'

/** How long servers keep still if whoever made them do so dies. */
const HOLD_MS = 4_000
const RENEW_MS = 1_000
/** Less than clients wait for an answer. A server that copies without a disk waits five seconds for further replicas, unless told not to. */
const LONGEST_MS_MAX = 15_000

/**
 * While `work` goes on, the servers take no writes: clients that write wait, and are served afterwards. Scripts count as writes. Ends without
 * anybody's help where this process dies.
 * @throws UnavailableError: it cannot be shown that they kept still all the time, or it took too long; what `work` throws
 */
export async function withoutWrites(config: RedisConfig, servers: readonly Redis[], work: () => Promise<void>): Promise<void> {
  const pause = new WritePause(config, servers)
  try {
    await pause.hold()
    const working = work()
    working.catch(() => {}) // a renewal may fail first
    while (!(await isOver(working))) await pause.hold()
    await working
    await pause.hold() // so that the last moment is shown to lie in it
  } finally {
    await pause.end()
  }
}

/** Within the time between two renewals. */
async function isOver(work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined
  const later = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, RENEW_MS, false)
  })
  const ended = work.then(
    () => true,
    () => true,
  )
  return Promise.race([ended, later]).finally(() => clearTimeout(timer))
}

class WritePause {
  readonly #beganMs = now()
  readonly #longestMs: number
  #heldMs: readonly [number, number] | undefined

  constructor(
    readonly config: RedisConfig,
    readonly servers: readonly Redis[],
  ) {
    this.#longestMs = Math.min(config.patienceMs, LONGEST_MS_MAX)
  }

  /** Begins it, or has it last. */
  async hold(): Promise<void> {
    const atMs = now()
    await Promise.all(this.servers.map((server) => server.call('CLIENT', 'PAUSE', HOLD_MS, 'WRITE')))
    const since = (from: readonly [number, number]): number => Math.max(...now().map((ms, i) => ms - from[i]!))
    if (this.#heldMs && since(this.#heldMs) > HOLD_MS)
      throw new UnavailableError(
        `${this.config.url}: this machine stood still while the Cluster was copied, and its masters may have gone on; try again`,
        {
          retryable: true,
        },
      )
    if (since(this.#beganMs) > this.#longestMs)
      throw new UnavailableError(
        `${this.config.url}: its masters did not begin their copies within ${this.#longestMs} ms, for which it took no writes: CONFIG SET repl-diskless-sync yes, and a smaller repl-diskless-sync-delay`,
        { retryable: true },
      )
    this.#heldMs = atMs
  }

  async end(): Promise<void> {
    await Promise.allSettled(this.servers.map((server) => server.call('CLIENT', 'UNPAUSE')))
  }
}

/** The one stands while the machine sleeps, the other is set by people. */
const now = (): readonly [number, number] => [performance.now(), Date.now()]
