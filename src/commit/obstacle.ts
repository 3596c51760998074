import type { Backend, Intent, Key, Ref, RowTarget, Stamp, Target } from '../backend.js'
import { ConflictError, NotFoundError, UnknownOutcomeError } from '../errors.js'
import type { CommitId, TableId } from '../ids.js'

/** What kept a round from going on, and in which store. */
export interface Obstacle {
  readonly backend: Backend
  readonly error: unknown
}

interface ConflictData {
  readonly ref?: Ref
  readonly alias?: string
  readonly table?: TableId
  readonly key?: Key
  readonly intent?: Intent
  readonly expected?: Stamp | Ref | string | null
  readonly found?: Stamp | null
  readonly barred?: CommitId
}

const dataOf = (error: unknown): ConflictData | undefined => (error instanceof ConflictError ? (error as ConflictData) : undefined)

/** The intent that a commit ran into, and on what it stands. */
export function metIntent(error: unknown): { readonly target: Target | RowTarget; readonly intent: Intent } | undefined {
  const data = dataOf(rootOf(error))
  if (!data?.intent) return undefined
  if (data.table && data.key) return { target: { table: data.table, key: data.key }, intent: data.intent }
  if (data.ref) return { target: { ref: data.ref }, intent: data.intent }
  return data.alias === undefined ? undefined : { target: { alias: data.alias }, intent: data.intent }
}

/** Looks behind "unknown": for a step that can be undone, what the last copy met is what counts. */
const rootOf = (error: unknown): unknown => (error instanceof UnknownOutcomeError ? error.cause : error)

/** The stamp that stood instead of the expected one. */
export const foundStamp = (error: unknown): Stamp | undefined => dataOf(error)?.found ?? undefined

/** True when no copy of the group that still travels can apply either: a stamp that is gone never comes back, nor what was barred. */
export function isFinal(error: unknown): boolean {
  const data = dataOf(error)
  return data !== undefined && (data.barred !== undefined || (data.intent === undefined && isStamp(data.expected)))
}

const isStamp = (value: ConflictData['expected']): value is Stamp => typeof value === 'object' && value !== null && 'revision' in value

export const isMissing = (error: unknown): boolean => error instanceof NotFoundError
