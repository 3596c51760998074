/** Following an object that others change. */
import { setTimeout as sleep } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { Ref, Stamp } from './backend.js'
import { NotFoundError, UnsavedChangesError, ValidationError } from './errors.js'
import { assertKnown } from './known-options.js'
import { isStorageObject, type StorageObject, stateOf } from './objects/storage-object.js'
import type { Store } from './store.js'
import { currentUnit } from './unit/context.js'
import { waitLimit } from './wait-limit.js'

/** How often a store is asked that cannot tell by itself. */
const POLL_MS = 100

/**
 * Gives `object` each time somebody has stored a change of it, this program too, brought up to date (with unsaved changes: as it is). Changes in quick succession may be
 * given once, the last one always is. Ends when the object is deleted, when `signal` aborts, after `timeoutMs` milliseconds, or when the
 * loop is left.
 * Errors: ValidationError for a volatile object; what reading the store throws.
 */
export async function* watch<T extends StorageObject>(
  object: T,
  options: { readonly signal?: AbortSignal; readonly timeoutMs?: number } = {},
): AsyncGenerator<T, void, void> {
  if (typeof object !== 'object' || object === null || !isStorageObject(object))
    throw new TypeError(`watch() wants a StorageObject, got ${inspect(object, { depth: 0 })}`)
  assertKnown(options, ['signal', 'timeoutMs'], 'watch()')
  const state = stateOf(object)
  const unit = (await currentUnit()).unitFor(state)
  if (!state.ref || unit.isTransaction)
    throw new ValidationError('watch() follows a persistent object, in the main program', { code: 'ERR_NOT_PERSISTENT' })
  const signal = waitLimit(options)
  const left = new AbortController()
  const until = signal ? AbortSignal.any([signal, left.signal]) : left.signal
  let given = state.stamp?.commit
  try {
    for await (const stamp of stampsOf(unit.store, state.ref, until)) {
      if (!stamp || !state.ref) return
      if (stamp.commit === given) continue
      const isAsItIs = unit.isDirty(state) || (stamp.commit !== state.stamp?.commit && !(await isReloaded(object)))
      // By now it may have changed once more: that has been given then.
      given = isAsItIs ? stamp.commit : state.stamp?.commit
      yield object
    }
  } catch (error) {
    if (!until.aborted && !(error instanceof NotFoundError)) throw error
  } finally {
    left.abort()
  }
}

/** False when the program has changed it meanwhile, and has not saved that. */
async function isReloaded(object: StorageObject): Promise<boolean> {
  try {
    await object.reload()
    return true
  } catch (error) {
    if (error instanceof UnsavedChangesError) return false
    throw error
  }
}

/** The stamp of an object now and after each change; `null` once it is gone. */
async function* stampsOf(store: Store, ref: Ref, signal: AbortSignal): AsyncGenerator<Stamp | null> {
  const { watcher } = store.backend
  if (!watcher) return yield* polled(store, ref, signal)
  for await (const [, stamp] of watcher.watch([ref], signal)) {
    yield stamp
    if (!stamp) return
  }
}

async function* polled(store: Store, ref: Ref, signal: AbortSignal): AsyncGenerator<Stamp | null> {
  for (let last: Stamp['commit'] | undefined; !signal.aborted; await sleep(POLL_MS, undefined, { signal })) {
    const [stored] = await store.read([ref])
    if (stored?.stamp.commit !== last) yield stored?.stamp ?? null
    if (!stored) return
    last = stored.stamp.commit
  }
}
