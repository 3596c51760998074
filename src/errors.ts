/**
 * All errors of insitu, subclassed by what the caller should do. Codes are API (docs/errors.md); messages are not.
 * `instanceof` holds across duplicate installs: it looks at a symbol-keyed list of kinds, not at the constructor.
 */

const KINDS = Symbol.for('insitu.error.kinds')

export interface ErrorDetails {
  readonly code?: string
  readonly retryable?: boolean
  readonly cause?: unknown
  /** Further data, set as fields of the error. */
  readonly [field: string]: unknown
}

export class InsituError extends Error {
  static readonly kind: string = 'InsituError'
  static readonly code: string = 'ERR_INSITU'
  readonly code: string
  readonly retryable: boolean

  constructor(message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    const cls = new.target as typeof InsituError
    const { code, retryable, cause: _, ...data } = details
    this.code = code ?? cls.code
    this.retryable = retryable ?? false
    Object.defineProperty(this, 'name', { value: cls.kind, configurable: true, writable: true })
    Object.assign(this, data)
    Object.defineProperty(this, KINDS, { value: kindsOf(cls) })
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    if (typeof value !== 'object' || value === null) return false
    if (!Object.hasOwn(this, 'kind')) return Function.prototype[Symbol.hasInstance].call(this, value)
    return ((value as { [KINDS]?: readonly string[] })[KINDS] ?? []).includes(this.kind)
  }
}

function kindsOf(cls: typeof InsituError): readonly string[] {
  const kinds: string[] = []
  for (let c: any = cls; c && c !== Function.prototype; c = Object.getPrototypeOf(c)) if (Object.hasOwn(c, 'kind')) kinds.push(c.kind)
  return kinds
}

const registry = new Map<string, typeof InsituError>()

/** The class of one of our errors by its kind, to rebuild an error that crossed a thread, a process or a store. */
export const errorClass = (kind: string): typeof InsituError | undefined => registry.get(kind)

function define(kind: string, code: string): typeof InsituError {
  const cls = class extends InsituError {
    static override readonly kind = kind
    static override readonly code = code
  }
  Object.defineProperty(cls, 'name', { value: kind })
  registry.set(kind, cls)
  return cls
}
registry.set('InsituError', InsituError)

/** A stale save or a lost race. Retryable. Fields: `ref`, `expected`, `found` (stamps), `intent` when one stood in the way. */
export class ConflictError extends InsituError {
  static override readonly kind: string = 'ConflictError'
  static override readonly code: string = 'ERR_CONFLICT'
  constructor(message: string, details: ErrorDetails = {}) {
    super(message, { retryable: true, ...details })
  }
}
registry.set('ConflictError', ConflictError)
/** No object has this id or alias. */
export const NotFoundError = define('NotFoundError', 'ERR_NOT_FOUND')
export type NotFoundError = InsituError
/** A field of a handle was read before `load()`. */
export const NotLoadedError = define('NotLoadedError', 'ERR_NOT_LOADED')
export type NotLoadedError = InsituError
/** The stored object is of another class. */
export const WrongClassError = define('WrongClassError', 'ERR_WRONG_CLASS')
export type WrongClassError = InsituError
/** A task changed an argument that it declared IN. */
export const WrongDirectionError = define('WrongDirectionError', 'ERR_WRONG_DIRECTION')
export type WrongDirectionError = InsituError
/** An object with unsaved changes was passed to a task, or would be overwritten. */
export const UnsavedChangesError = define('UnsavedChangesError', 'ERR_UNSAVED_CHANGES')
export type UnsavedChangesError = InsituError
/** The alias belongs to another object. */
export const AliasTakenError = define('AliasTakenError', 'ERR_ALIAS_TAKEN')
export type AliasTakenError = InsituError
/** A value cannot be stored, or has the wrong type or range. Field `path` says where. */
export const ValidationError = define('ValidationError', 'ERR_VALIDATION')
export type ValidationError = InsituError
/** A unit of work is larger than the backend commits at once. */
export const GroupTooLargeError = define('GroupTooLargeError', 'ERR_GROUP_TOO_LARGE')
export type GroupTooLargeError = InsituError
/** The backend, engine or this version cannot do it. */
export const UnsupportedError = define('UnsupportedError', 'ERR_UNSUPPORTED')
export type UnsupportedError = InsituError
/** The store cannot be reached, is closed, or is full. */
export const UnavailableError = define('UnavailableError', 'ERR_UNAVAILABLE')
export type UnavailableError = InsituError
/** It is not known whether a commit happened; re-send the same one. */
export const UnknownOutcomeError = define('UnknownOutcomeError', 'ERR_UNKNOWN_OUTCOME')
export type UnknownOutcomeError = InsituError
/** The file belongs to another host. */
export const NotOwnerError = define('NotOwnerError', 'ERR_NOT_OWNER')
export type NotOwnerError = InsituError
/** The stored object's class is not known to this program. */
export const UnknownClassError = define('UnknownClassError', 'ERR_UNKNOWN_CLASS')
export type UnknownClassError = InsituError
/** Stored columns or fields do not fit the class. */
export const SchemaMismatchError = define('SchemaMismatchError', 'ERR_SCHEMA_MISMATCH')
export type SchemaMismatchError = InsituError
/** The store went back in time: acknowledged writes are gone. */
export const StateLostError = define('StateLostError', 'ERR_STATE_LOST')
export type StateLostError = InsituError
/** A volatile value was lost with its host and cannot be recomputed. */
export const LostValueError = define('LostValueError', 'ERR_LOST_VALUE')
export type LostValueError = InsituError
/** Stored bytes are damaged. */
export const CorruptError = define('CorruptError', 'ERR_CORRUPT')
export type CorruptError = InsituError
/** A task failed, and with it what depends on it. `cause` is the reason. */
export const TaskFailedError = define('TaskFailedError', 'ERR_TASK_FAILED')
export type TaskFailedError = InsituError
/** No worker can run the task. */
export const CannotPlaceError = define('CannotPlaceError', 'ERR_CANNOT_PLACE')
export type CannotPlaceError = InsituError

/** True for any error of insitu, of this install or another. */
export const isInsituError = (e: unknown): e is InsituError => e instanceof InsituError
