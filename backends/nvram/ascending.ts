import type { Records } from './records.js'

/** Finding the last key costs as much as three lookups. */
const LOOKUPS_BEFORE = 4

/**
 * Where the keys of a database end, as a write transaction meets and moves it. Ids rise with time, and many who write rows write them in
 * order, so that most new keys come after all others: a comparison of bytes then spares lmdb the search, before the write and for it.
 */
export class Ascending {
  readonly #records: Records
  /** Of the running transaction; outside of one others may write. */
  #lookups: number | undefined
  #last: Uint8Array | undefined

  constructor(records: Records) {
    this.#records = records
  }

  began(): void {
    this.#lookups = 0
  }

  ended(): void {
    this.#lookups = undefined
    this.#last = undefined
  }

  /** Whether a key that is looked for comes after all that there are; false also when that is not known. */
  isBeyond(key: Uint8Array): boolean {
    if (this.#lookups === undefined || this.#lookups++ < LOOKUPS_BEFORE) return false
    this.#last ??= this.#lastKey()
    return isAfter(key, this.#last)
  }

  #lastKey(): Uint8Array {
    const [last] = this.#records.keys({ reverse: true, limit: 1 })
    return last ? Uint8Array.from(last) : NOTHING
  }

  put(key: Uint8Array, value: Uint8Array): void {
    if (!this.#last || !isAfter(key, this.#last)) return this.#records.put(key, value)
    this.#records.append(key, value)
    if (this.#last.length === key.length) this.#last.set(key)
    else this.#last = Uint8Array.from(key)
  }
}

/** In the order of lmdb. By hand: the keys of neighbours part early, and a call out of JavaScript takes longer. */
function isAfter(key: Uint8Array, last: Uint8Array): boolean {
  const length = Math.min(key.length, last.length)
  for (let i = 0; i < length; i++) if (key[i] !== last[i]) return key[i]! > last[i]!
  return key.length > last.length
}

const NOTHING = new Uint8Array(0)
