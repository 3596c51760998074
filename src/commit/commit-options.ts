import type { Backend, Ref } from '../backend.js'
import { type CommitId, newCommitId, type TableId } from '../ids.js'
import { type CommitClock, systemClock } from './commit-clock.js'

export interface CommitOptions {
  /** The store of an object (the home of an intent) or of a table (a row in staged redo). */
  readonly backendOf: (of: Ref | TableId) => Backend | Promise<Backend>
  readonly clock?: CommitClock
  readonly newCommitId?: () => CommitId
  /** How long others wait for a round of ours before they may abort it. */
  readonly leaseMs?: number
  /** How long a writer stands back for other groups before it gives up with their conflict. */
  readonly patienceMs?: number
  /** How often a call of unknown outcome is sent again. */
  readonly resends?: number
  /** Stops a commit between two rounds; what has been decided is finished. */
  readonly signal?: AbortSignal
  /** Takes over the settling that goes on after the return; it never rejects. A program waits for it before it closes its stores. */
  readonly background?: (work: Promise<void>) => void
  /** Told the mark that lets a unit be sent again; whoever knows that it will not be sent again may forget it. */
  readonly onMark?: (home: Ref, key: string) => void
}

/** Options with every default filled in. */
export interface Tools {
  readonly backendOf: (of: Ref | TableId) => Backend | Promise<Backend>
  readonly clock: CommitClock
  readonly newCommitId: () => CommitId
  readonly leaseMs: number
  readonly patienceMs: number
  readonly resends: number
  readonly signal: AbortSignal | undefined
  readonly background: (work: Promise<void>) => void
  readonly onMark: (home: Ref, key: string) => void
}

/** Three times a lease: whoever meets the intents of a dead writer outlives them. */
const PATIENCE_LEASES = 3
const LEASE_MS = 5_000
const RESENDS = 5

export function toolsOf(options: CommitOptions): Tools {
  const leaseMs = options.leaseMs ?? LEASE_MS
  return {
    backendOf: options.backendOf,
    clock: options.clock ?? systemClock,
    newCommitId: options.newCommitId ?? newCommitId,
    leaseMs,
    patienceMs: options.patienceMs ?? PATIENCE_LEASES * leaseMs,
    resends: options.resends ?? RESENDS,
    signal: options.signal,
    background: options.background ?? (() => {}),
    onMark: options.onMark ?? (() => {}),
  }
}

/**
 * Where a round is decided, its home met in `where`: in an intent, or in redo. A home that names no store is one of that store, for
 * whoever meets it may be a unit of several stores, of which another comes first, and would find no mark there.
 */
export const backendOfHome = (home: Ref, where: Backend, tools: Tools): Backend | Promise<Backend> =>
  home.store === undefined ? where : tools.backendOf(home)
