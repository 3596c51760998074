import type { Group, Receipt } from '../../src/backend.js'
import { UnavailableError } from '../../src/errors.js'
import { applyGroup } from '../memory/apply-group.js'
import { type DiskRoom, storeFull } from './disk-room.js'
import type { Environment } from './environment.js'
import type { NvramSpace } from './nvram-space.js'
import type { Sweeper } from './sweeper.js'

interface Waiting {
  readonly group: Group
  readonly resolve: (receipt: Receipt) => void
  readonly reject: (error: unknown) => void
}

/** What a committer works on. */
export interface Store {
  readonly env: Environment
  readonly space: NvramSpace
  readonly sweeper: Sweeper
  readonly room: DiskRoom
  /** As errors name it. */
  readonly where: string
}

/**
 * So few groups are flushed in their transaction when somebody is going to wait for it: a thread that flushes takes longer to be woken
 * than to flush. Of more groups, the event loop goes through what is settled while that thread works.
 */
const FEW_GROUPS = 4

/** How long one transaction may keep the event loop and the file's write lock; what is left goes into the next. */
const BATCH_MS_MAX = 10

/**
 * Collects the groups that arrive in one turn of the event loop and writes them in one transaction: the flush of the data pages,
 * which costs more than a hundred small groups, is paid once. Each group is checked before its first write, and sees those before it.
 */
export class Committer {
  readonly #store: Store
  #queue: Waiting[] = []
  #isScheduled = false
  #idle: (() => void)[] = []
  /** The number of the last transaction that is known to be on the disk. At first none is: the last may be of a process that was killed. */
  #flushed = -1
  #flushing: Promise<void> | undefined
  /** Whether somebody waited for the disk since the last batch: who did will do so again. */
  #isAwaited = false
  #broken: UnavailableError | undefined

  constructor(store: Store) {
    this.#store = store
  }

  commit(group: Group): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      this.#queue.push({ group, resolve, reject })
      this.#schedule()
    })
  }

  /** A transaction for what is no group. */
  write(change: () => void): void {
    try {
      this.#transaction(change)
    } catch (error) {
      throw storeError(error, this.#store.where)
    }
  }

  /** Waits for a flush that began after everything committed so far, whoever did: workers write by themselves. All who wait meanwhile share one. */
  async flush(): Promise<void> {
    this.#isAwaited = true
    const target = this.#store.env.file.newest()
    while (this.#flushed < target) {
      if (this.#broken) throw this.#broken
      await (this.#flushing ??= this.#flush())
    }
  }

  /** Resolves when nothing waits to be written. */
  idle(): Promise<void> {
    if (!this.#isScheduled) return Promise.resolve()
    return new Promise((resolve) => this.#idle.push(resolve))
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#run())
  }

  #run(): void {
    const batch = this.#queue
    this.#queue = []
    const done = this.#writeBatch(batch)
    if (done < batch.length) this.#queue = [...batch.slice(done), ...this.#queue]
    this.#isScheduled = false
    if (this.#queue.length > 0) return this.#schedule()
    for (const resolve of this.#idle.splice(0)) resolve()
  }

  /** Gives how many of the batch are settled. */
  #writeBatch(batch: readonly Waiting[]): number {
    const settle: (() => void)[] = []
    const flushes = this.#isAwaited && batch.length <= FEW_GROUPS
    this.#isAwaited = false
    try {
      this.#transaction(() => this.#applyAll(batch, settle), flushes)
    } catch (error) {
      return this.#writeAlone(batch.slice(0, settle.length + 1), error)
    }
    for (const one of settle) one()
    return settle.length
  }

  #applyAll(batch: readonly Waiting[], settle: (() => void)[]): void {
    const { space, sweeper } = this.#store
    const endMs = performance.now() + BATCH_MS_MAX
    for (const { group, resolve, reject } of batch) {
      const writes = space.writes
      try {
        const receipt = applyGroup(space, group)
        settle.push(() => resolve(receipt))
      } catch (error) {
        // Refused before its first write: the others go on. Else the whole transaction is rolled back.
        if (space.writes !== writes) throw error
        settle.push(() => reject(storeError(error, this.#store.where)))
      }
      if (performance.now() > endMs) break
    }
    sweeper.sweepIfDue()
  }

  /** A batch that was rolled back is written group by group, so that one which fails fails alone. */
  #writeAlone(batch: readonly Waiting[], error: unknown): number {
    if (batch.length === 1) batch[0]!.reject(storeError(error, this.#store.where))
    else for (const one of batch) this.#writeBatch([one])
    return batch.length
  }

  #transaction(change: () => void, flushes = false): void {
    if (this.#broken) throw this.#broken
    const { env, space, room } = this.#store
    const { writes, bytes } = space
    let committed = false
    let number = 0
    try {
      env.transactions.write(() => {
        number = env.file.writing()
        space.began()
        change()
        space.finish()
        if (space.writes !== writes) room.require(space.writes - writes, space.bytes - bytes)
      }, flushes)
      // What wrote nothing has no number of its own: the next one to write will have it.
      if (flushes && space.bytes > bytes) this.#flushed = Math.max(this.#flushed, number)
      committed = true
    } finally {
      space.ended(committed)
    }
  }

  async #flush(): Promise<void> {
    const target = this.#store.env.file.newest()
    try {
      await this.#store.env.file.sync()
      this.#flushed = target
    } catch (cause) {
      // The kernel may have dropped the pages it could not write: what a later flush says about them would be worth nothing.
      this.#broken = new UnavailableError(
        `${this.#store.where} could not be flushed to the disk; open it again after looking at the disk.`,
        {
          code: 'ERR_STORE_FLUSH',
          cause,
        },
      )
      throw this.#broken
    } finally {
      this.#flushing = undefined
    }
  }
}

const EIO = 5
const ENOSPC = 28
const EDQUOT = 122
const MAP_FULL = -30792

/** lmdb's errors, which have numbers for codes, as ours. On a full disk it says EIO when a page was written in part. Others pass unchanged. */
export function storeError(error: unknown, where: string): unknown {
  if (!(error instanceof Error) || !('code' in error) || typeof error.code !== 'number') return error
  if ([EIO, ENOSPC, EDQUOT, MAP_FULL].includes(error.code)) return storeFull(where, error)
  return new UnavailableError(`${where} could not be written: ${error.message}.`, { cause: error })
}
