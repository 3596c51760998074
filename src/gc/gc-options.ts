import type { Backend, Ref } from '../backend.js'
import type { CommitOptions } from '../commit/index.js'

export interface GcOptions {
  /** What is younger stays. It must be longer than a program keeps to itself what it is about to publish: see collect.ts. Default: an hour. */
  readonly olderThanMs?: number
  /** Says what would go, and changes nothing. */
  readonly dryRun?: boolean
  /** Stores whose objects refer to this one's. Whatever they refer to stays. */
  readonly referringStores?: readonly Backend[]
  /** Told each thing that goes, or would. */
  readonly onGarbage?: (garbage: Garbage) => void
  readonly nowMs?: number
  /** Rejects between two steps: what has been removed by then and turns out to be in use is given back before. */
  readonly signal?: AbortSignal
  /** For intents whose home is in another store. */
  readonly commit?: CommitOptions
}

export type GarbageKind = 'object' | 'chunk' | 'origin' | 'table' | 'mark' | 'intent' | 'alias' | 'stream' | 'copy'

export interface Garbage {
  readonly kind: GarbageKind
  /** An id, an alias, or a mark's key. */
  readonly name: string
  readonly classId?: string
  readonly bytes?: number
}

export interface GcReport {
  /** How many of each went, or would go. */
  readonly counts: Readonly<Record<GarbageKind, number>>
  /** Size of the objects that went. */
  readonly bytes: number
  /** Objects that something leads to, or that are too young to tell. */
  readonly kept: number
  /** Objects that somebody linked while they were being removed, and that were given back. */
  readonly restored: number
  /** What this store cannot list, or changes too quickly to be judged, and is therefore left alone. */
  readonly skipped: readonly string[]
}

export const GC_OLDER_THAN_MS = 3_600_000

export const isHere = (ref: Ref, url: string): boolean => ref.store === undefined || ref.store === url
