/** The arguments of a task on their way from its store: of one, or of many that are read at once. */
import type { Ref, Stored } from '../src/backend.js'
import type { StorageObject } from '../src/objects/storage-object.js'
import type { Store } from '../src/store.js'
import type { Belonging } from '../src/unit/context.js'
import { Transaction } from '../src/unit/transaction.js'
import type { Call } from './attempt.js'
import { objectsIn } from './data/carry.js'
import type { Attempt } from './tasks/running.js'

/** What the body of a call belongs to. Most bodies change nothing: their unit of work is made when something asks for it. */
export class AttemptUnit implements Belonging {
  #unit: Transaction | undefined

  constructor(
    readonly store: Store,
    readonly call: Pick<Call, 'key' | 'attempt'>,
  ) {}

  get unit(): Transaction {
    if (!this.#unit) {
      this.#unit = new Transaction(this.store)
      this.#unit.producer = this.call.key
    }
    return this.#unit
  }

  get attempt(): Attempt | undefined {
    return this.call.attempt
  }

  /** If anything asked for it. */
  get used(): Transaction | undefined {
    return this.#unit
  }
}

/** A call whose arguments are on their way. */
export class Prepared {
  /** Resolves, whatever happens, when they are loaded or are known to fail. Absent when there is nothing to load. */
  found: Promise<unknown> | undefined
  /** Once they are loaded; `undefined` for those that are gone. */
  objects: readonly (StorageObject | undefined)[] | undefined
  failure: { readonly error: unknown } | undefined

  constructor(
    readonly at: AttemptUnit,
    readonly refs: readonly Ref[],
  ) {}

  load(loading: Promise<readonly (StorageObject | undefined)[]>): void {
    this.found = loading.then(
      (objects) => (this.objects = objects),
      (error: unknown) => (this.failure = { error }),
    )
  }

  /** As `load`, of what was read together with what others need. */
  take(stored: readonly (Stored | undefined)[]): Promise<unknown> | undefined {
    const { unit } = this.at
    try {
      const objects = unit.takeIn(stored)
      const told = unit.toldOfColumns()
      if (told) this.load(told.then(() => objects))
      else this.objects = objects
      return told && this.found
    } catch (error) {
      this.failure = { error }
      return undefined
    }
  }
}

type Preparing = Pick<Call, 'key' | 'args' | 'attempt'>

/** Begins to load the arguments of a call; what fails is thrown by `beginAttempt`. */
export function prepare(store: Store, call: Preparing): Prepared {
  const prepared = unprepared(store, call)
  const { at, refs } = prepared
  if (refs.length > 0) prepared.load(at.unit.fetchAnywhere(refs))
  return prepared
}

/** The same for several calls: what lies in `store` is read at once, and waited for once. */
export function prepareAll(store: Store, calls: readonly Preparing[]): readonly Prepared[] {
  const all = calls.map((call) => unprepared(store, call))
  const together: Prepared[] = []
  for (const one of all) {
    if (one.refs.length === 0) continue
    if (one.refs.every((ref) => ref.store === undefined)) together.push(one)
    else one.load(one.at.unit.fetchAnywhere(one.refs))
  }
  if (together.length > 0) loadTogether(store, together)
  return all
}

function loadTogether(store: Store, together: readonly Prepared[]): void {
  const found = store.read(together.flatMap(({ refs }) => refs)).then(
    (stored) => {
      let at = 0
      const told: Promise<unknown>[] = []
      for (const one of together) {
        const telling = one.take(stored.slice(at, (at += one.refs.length)))
        if (telling) told.push(telling)
      }
      return told.length === 0 ? undefined : Promise.all(told)
    },
    (error: unknown) => {
      for (const one of together) one.failure = { error }
    },
  )
  for (const one of together) one.found = found
}

function unprepared(store: Store, call: Preparing): Prepared {
  let refs = NO_REFS
  for (const arg of call.args) if (typeof arg === 'object' && arg !== null) refs = objectsIn(arg, refs === NO_REFS ? [] : refs)
  return new Prepared(new AttemptUnit(store, call), refs)
}

const NO_REFS: Ref[] = []
