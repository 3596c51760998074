import { setTimeout as sleep } from 'node:timers/promises'
import type { Ack, Backend, Group, Mark, Op, Receipt, Ref } from './backend.js'
import { UnknownOutcomeError, UnsupportedError, ValidationError } from './errors.js'
import { type CommitId, newCommitId } from './ids.js'
import { ALIAS_BYTES_MAX } from './limits.js'
import { runIn } from './unit/context.js'
import { Program } from './unit/program.js'

export interface StoreOptions {
  /** The level that `save`, `makePersistent` and `barrier` wait for. Default: `durable` where the backend gives it, else `committed`. */
  readonly ack?: Ack
}

/** One open backend, as one program sees it: with an identity map of its own. */
export class Store {
  /** What the main program reads and changes through this store. */
  readonly program: Program = new Program(this)
  readonly #ack: Ack

  constructor(
    readonly backend: Backend,
    options: StoreOptions = {},
  ) {
    const { acks } = backend.capabilities
    this.#ack = options.ack ?? (acks.includes('durable') ? 'durable' : 'committed')
    if (!acks.includes(this.#ack))
      throw new UnsupportedError(`${backend.url} cannot give acknowledgement level ${this.#ack}; it gives ${acks.join(', ')}`, {
        code: 'ERR_ACK_LEVEL',
        ack: this.#ack,
      })
  }

  /** The url without secrets. */
  get url(): string {
    return this.backend.url
  }

  /** Runs `body` with this store as the current one: its objects, tasks and transactions are this store's. */
  run<T>(body: () => T): T {
    return runIn(this.program, body)
  }

  /** Commits ops as one group and says what came out; visible when it resolves, see `reached` for the level asked for. */
  commit(ops: readonly Op[], commit: CommitId = newCommitId()): Promise<Receipt> {
    return this.send({ commit, atMicros: nowMicros(), ops })
  }

  /** Sends a group until it is known what came of it: the same commit id again is harmless. */
  async send(group: Group): Promise<Receipt> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.backend.commit(group)
      } catch (error) {
        if (!(error instanceof UnknownOutcomeError) || attempt >= RESENDS_MAX) throw error
        await sleep(2 ** attempt)
      }
    }
  }

  /** Resolves when everything committed so far has the level that this store waits for. */
  async reached(ack: Ack = this.#ack): Promise<void> {
    if (ack !== 'committed') await this.backend.flush(ack)
  }

  /** The level that this store waits for. */
  get ack(): Ack {
    return this.#ack
  }

  #closed = false

  /** Whether `close` was called. */
  get closed(): boolean {
    return this.#closed
  }

  /** Saves buffered rows, waits for what is under way, and closes the backend. */
  async close(): Promise<void> {
    this.#closed = true
    try {
      await this.program.saveRows()
    } finally {
      await this.backend.close()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** With pauses that double, about four seconds in all. */
const RESENDS_MAX = 11

let lastMicros = 0n

/** The clock that orders writers of a row: microseconds since the epoch, never the same twice in a process. */
export function nowMicros(): bigint {
  const now = BigInt(Math.round((performance.timeOrigin + performance.now()) * 1000))
  lastMicros = now > lastMicros ? now : lastMicros + 1n
  return lastMicros
}

const utf8 = new TextEncoder()

/** Refuses an alias that not every backend can hold. */
export function checkAlias(alias: unknown): asserts alias is string {
  if (typeof alias !== 'string' || alias === '')
    throw new ValidationError(`an alias is a text of at least one character, not ${String(alias)}`, { code: 'ERR_ALIAS_INVALID', alias })
  if (!alias.isWellFormed())
    throw new ValidationError('an alias must be well-formed text (no lone surrogates)', { code: 'ERR_ALIAS_INVALID', alias })
  if (alias.length * 3 > ALIAS_BYTES_MAX && utf8.encode(alias).length > ALIAS_BYTES_MAX)
    throw new ValidationError(`alias ${alias.slice(0, 40)}… is longer than ${ALIAS_BYTES_MAX} bytes of UTF-8; shorten it`, {
      code: 'ERR_KEY_TOO_LONG',
    })
}

export type { Mark, Ref }
