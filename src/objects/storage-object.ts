import type { Location } from '../backend.js'
import type { Constructor } from '../classes/class-locator.js'
import { setRootClass } from '../classes/class-registry.js'
import { ValidationError } from '../errors.js'
import type { Host, Id } from '../ids.js'
import { assertKnown } from '../known-options.js'
import { BRAND } from '../other-copy.js'
import { currentUnit, unitIfOpen, unitOf } from '../unit/context.js'
import type { UnitOfWork } from '../unit/unit-of-work.js'
import { guardOf } from './handle.js'
import { ObjectState } from './object-state.js'

/** A class the store can bring back: no-argument construction, or its own `static restore(fields)`. */
export type Restorable<T> = (abstract new () => T) | { readonly prototype: T; restore(fields: any): T }

export interface PersistOptions {
  /**
   * What to do when the alias belongs to another object: `'error'` (default), `'open'`: become the stored one,
   * with the rows that the collections of this one hold over those stored; `'replace'`: the alias moves to this object; who holds the old
   * one keeps it.
   */
  readonly ifExists?: 'error' | 'open' | 'replace'
  /**
   * In a store of several hosts: where this object, and what is newly stored with it, shall lie (a name that `hosts()` gives). Default: the
   * host that the task runs on; in the main program the hosts take turns. A store of one host has no choice,
   * whatever is said: a program that spreads its objects runs on one host too.
   */
  readonly host?: string
}

const PERSIST_OPTIONS: readonly (keyof PersistOptions)[] = ['ifExists', 'host']
const WAYS: readonly PersistOptions['ifExists'][] = ['error', 'open', 'replace']
const NO_OPTIONS = {}

export interface GetOptions {
  /** How many steps of references to load along with the object (default 0: references are handles). */
  readonly depth?: number
}

/** The state behind an instance. Internal. */
export let stateOf: (o: StorageObject) => ObjectState

/** Set while a class's constructor runs on an existing instance; see `constructOver`. */
let under: { readonly instance: StorageObject; readonly ctor: Constructor } | undefined

/**
 * Base of all persistent classes. The class is the schema: own enumerable fields are stored.
 * A `new` object is volatile; `makePersistent` stores it, and it outlives the program.
 */
export abstract class StorageObject {
  readonly #state!: ObjectState

  constructor() {
    if (under && new.target === under.ctor) {
      const { instance } = under
      under = undefined
      // biome-ignore lint/correctness/noConstructorReturn: derived constructors then run on the handle, private fields included
      return instance
    }
    this.#state = new ObjectState(this)
  }

  static {
    stateOf = (o) => o.#state
  }

  /** Brand that holds across duplicate installs. */
  get [BRAND](): true {
    return true
  }

  /**
   * The object of an alias.
   * @throws NotFoundError unknown alias; WrongClassError another class; UnknownClassError its class is not loaded here.
   */
  static async getByAlias<T extends StorageObject>(this: Restorable<T>, alias: string, options?: GetOptions): Promise<T> {
    return (await currentUnit()).getByAlias(this as unknown as Constructor, alias, options) as Promise<T>
  }

  /** The object of an id. Errors as for `getByAlias`. */
  static async getByID<T extends StorageObject>(this: Restorable<T>, id: Id, options?: GetOptions): Promise<T> {
    return (await currentUnit()).getById(this as unknown as Constructor, id, options) as Promise<T>
  }

  /** The id, or `null` while volatile. */
  getID(): Id | null {
    return this.#state.ref?.id ?? null
  }

  /**
   * Stores this object and every volatile object that it reaches, as one group, and gives it the alias.
   * Made persistent again with a further alias, it gains that alias.
   * @throws AliasTakenError; ValidationError naming the path of a field that cannot be stored. Nothing is stored then.
   */
  makePersistent(alias?: string, options: PersistOptions = NO_OPTIONS): Promise<this> {
    try {
      if (options !== NO_OPTIONS) checkPersistOptions(options)
    } catch (error) {
      return Promise.reject(error as Error)
    }
    const unit = unitIfOpen() ?? this.#state.unit
    return unit ? this.#persistIn(unit, alias, options) : currentUnit().then((opened) => this.#persistIn(opened, alias, options))
  }

  #persistIn(unit: UnitOfWork, alias: string | undefined, options: PersistOptions): Promise<this> {
    const { host, ifExists = 'error' } = options
    if (host === undefined || this.#state.ref) return unit.makePersistent(this.#state, alias, ifExists) as Promise<this>
    return this.#persistAt(host as Host, () => unit.makePersistent(this.#state, alias, ifExists) as Promise<this>)
  }

  /** What was refused leaves no wish behind: the next try may say another host, or none. */
  async #persistAt(host: Host, persist: () => Promise<this>): Promise<this> {
    const before = this.#state.host
    this.#state.host = host
    try {
      return await persist()
    } catch (error) {
      if (!this.#state.provisional) this.#state.host = before
      throw error
    }
  }

  /**
   * Removes the stored copy, its aliases and the collections it owns. This instance stays, and is volatile again; on a volatile one it does
   * nothing. `deep`: also removes what nothing but this object reaches, which reads every object of the store.
   * @throws UnsupportedError for `deep` inside a task or transaction
   */
  async deletePersistent(options: { readonly deep?: boolean } = {}): Promise<void> {
    assertKnown(options, ['deep'], 'deletePersistent()')
    if (this.#state.ref) await (await this.#unit()).deletePersistent(this.#state, options.deep ?? false)
  }

  /**
   * Stores what changed since load or last save, with the buffered rows of owned collections, if nobody else changed it meanwhile.
   * @throws ConflictError carrying both stamps; `update` retries for you.
   */
  save(): Promise<void> {
    const unit = unitIfOpen()
    return unit ? unit.unitFor(this.#state).save(this.#state) : this.#unit().then((its) => its.save(this.#state))
  }

  /** Same as `save`. */
  updatePersistent(): Promise<void> {
    return this.save()
  }

  /**
   * Takes the stored state.
   * @throws UnsavedChangesError if there are unsaved changes and `discard` is not set.
   */
  async reload(options: { readonly discard?: boolean } = {}): Promise<this> {
    assertKnown(options, ['discard'], 'reload()')
    await (await this.#unit()).reload(this.#state, options.discard ?? false)
    return this
  }

  /** Loads a handle; a loaded object stays as it is. @throws NotFoundError it was deleted; UnknownClassError its class is not loaded here. */
  async load(): Promise<this> {
    if (!this.#state.loaded) await (await this.#unit()).loadAll([this.#state])
    return this
  }

  /** Gives a further name. @throws AliasTakenError; ValidationError on a volatile object (`ERR_NOT_PERSISTENT`), or for a name that cannot be one. */
  async addAlias(alias: string): Promise<void> {
    await (await this.#unit()).addAlias(this.#state, alias)
  }

  /** Takes a name away; the object lives on. @throws NotFoundError when the alias is not this object's. */
  async removeAlias(alias: string): Promise<void> {
    await (await this.#unit()).removeAlias(this.#state, alias)
  }

  /** Its names, sorted. */
  async aliases(): Promise<string[]> {
    return (await this.#unit()).aliasesOf(this.#state)
  }

  /** Hosts that hold a copy, largest share first, each with the bytes that it holds. @throws NotFoundError it was deleted */
  async getLocations(): Promise<readonly Location[]> {
    return (await this.#unit()).locationsOf(this.#state)
  }

  /**
   * An independent copy of the stored object, with rows of its own, that remembers its origin.
   * @throws UnsupportedError inside a task or transaction, and for dicts with `writes: 'counters'`
   */
  async newVersion(): Promise<this> {
    return (await this.#unit()).newVersion(this.#state) as never
  }

  /**
   * Makes a version become its original: the original's id and names have its contents from then on, and the version is gone.
   * @throws ConflictError the original was changed since; UnsavedChangesError; ValidationError it is no version (`ERR_NO_VERSION`)
   */
  async consolidateVersion(): Promise<void> {
    return (await this.#unit()).consolidateVersion(this.#state)
  }

  /**
   * Keeps a further copy on a host, which is compared with the object's stamp before it is used. `host`: default the next
   * one that has none; when all have one there is nothing to do.
   * @throws UnsupportedError the store keeps no copies (`ERR_NO_REPLICAS`); ValidationError no such host (`ERR_UNKNOWN_HOST`)
   */
  async newReplica(host?: string): Promise<void> {
    return (await this.#unit()).newReplica(this.#state, host)
  }

  #unit(): Promise<UnitOfWork> {
    return unitOf(this.#state)
  }
}

setRootClass(StorageObject)

/** Errors: TypeError, ValidationError */
function checkPersistOptions(options: PersistOptions): void {
  assertKnown(options, PERSIST_OPTIONS, 'makePersistent()')
  const { ifExists } = options
  if (ifExists !== undefined && !WAYS.includes(ifExists))
    throw new ValidationError(`ifExists is 'error', 'open' or 'replace', not ${String(ifExists)}`, { path: 'ifExists' })
}

/** True for a StorageObject of this install. */
export const isStorageObject = (value: object): value is StorageObject => BRAND in value && value instanceof StorageObject

/** A handle: an instance of `ctor` with no field, guarded. */
export function newHandle(ctor: Constructor): StorageObject {
  const handle = Reflect.construct(StorageObject, [], guardOf(ctor) as never) as StorageObject
  stateOf(handle).loaded = false
  return handle
}

/** Runs `construct`, letting the first construction of `ctor` happen on `instance`: field initialisers and private fields land there. */
export function constructOver(instance: StorageObject, ctor: Constructor, construct: () => object): object {
  under = { instance, ctor }
  try {
    return construct()
  } finally {
    under = undefined
  }
}
