import type { Store } from '../../src/store.js'
import type { Seen } from '../../src/unit/transaction.js'
import type { Call } from '../attempt.js'
import type { Direction } from '../tasks/directions.js'
import type { Attempt } from '../tasks/running.js'
import type { Carried, FnPlace } from './messages.js'

export const NO_SLOT = -1

/** A task that this worker was given: also the call that its attempt runs, since two objects a task would be one too many. */
export class Queued implements Call {
  /** Once it runs. */
  running: Attempt | undefined
  /** Nobody wants it any more, however it ends. */
  isCancelled = false
  /** Arguments that are still to come: three integers each, the argument, the slot of its maker and the number of its use. */
  waits: number[] | undefined

  constructor(
    readonly task: number,
    /** 1 for the first. */
    readonly number: number,
    readonly place: FnPlace,
    readonly store: Store | Promise<Store>,
    readonly args: Carried[],
    /** Its key, or the run's id, of which the key is made when somebody asks: for most tasks nobody does. */
    readonly keyOrRun: { readonly key: string } | string,
    readonly again: readonly Seen[] | undefined,
    /** The driver counts its time. */
    readonly isTimed: boolean,
    /** The modules of its arguments' classes are loading. */
    readonly ready: Promise<unknown> | undefined,
    /** Its slot in the memory of lanes, or NO_SLOT. */
    readonly slot: number = NO_SLOT,
    readonly use = 0,
  ) {}

  get key(): string {
    return typeof this.keyOrRun === 'string' ? `${this.keyOrRun}/${this.task}` : this.keyOrRun.key
  }

  get name(): string {
    return this.place.name
  }

  get directions(): readonly Direction[] {
    return this.place.directions as readonly Direction[]
  }

  get isMethod(): boolean {
    return this.place.method !== undefined
  }

  get target(): Direction {
    return this.place.target as Direction
  }

  get attempt(): Attempt | undefined {
    return this.running
  }

  isOver(): boolean {
    return this.isCancelled || (this.running?.isLeft ?? false)
  }
}
