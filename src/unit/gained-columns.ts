/**
 * Columns that classes have gained since their collections were stored. The store is told when such an object is loaded, before anybody can
 * use them; its field goes on saying the columns that it was stored with, so that loading changes nothing.
 */
import type { StorageDict } from '../dict/storage-dict.js'
import { constructorOfInstance, guardAgain } from '../objects/fields.js'
import { NO_DICTS, type ObjectState } from '../objects/object-state.js'
import type { Store } from '../store.js'
import { tableOf, unbindTable } from './table-binding.js'

interface Gain {
  readonly state: ObjectState
  readonly dict: StorageDict<any, any>
}

export class GainedColumns {
  readonly #store: Store
  #untold: Gain[] = []
  #telling: Promise<void> | undefined

  constructor(store: Store) {
    this.#store = store
  }

  /** A bound collection of a loaded object, whose class has further columns. */
  note(state: ObjectState, dict: StorageDict<any, any>): void {
    if (!this.#store.knowsColumns(tableOf(dict)!)) this.#untold.push({ state, dict })
  }

  get areUntold(): boolean {
    return this.#untold.length > 0 || this.#telling !== undefined
  }

  /** Resolves when the store knows all of them, those that others are telling it included. Errors: SchemaMismatchError. */
  async tell(): Promise<void> {
    const [gains, before] = [this.#untold, this.#telling]
    if (gains.length === 0) return before
    this.#untold = []
    const telling = this.#tell(gains, before).finally(() => {
      if (this.#telling === telling) this.#telling = undefined
    })
    this.#telling = telling
    await telling
  }

  async #tell(gains: readonly Gain[], before: Promise<void> | undefined): Promise<void> {
    await before?.catch(() => {}) // thrown to whoever loaded those
    try {
      for (const { dict } of gains) await this.#store.gainColumns(tableOf(dict)!)
    } catch (error) {
      // As when their fields had been refused: whoever asks for the objects again is told again.
      for (const gain of gains) letGo(gain)
      throw error
    }
  }
}

function letGo({ state, dict }: Gain): void {
  unbindTable(dict)
  guardAgain(state.instance, constructorOfInstance(state.instance))
  state.loaded = false
  state.dicts = NO_DICTS
}
