/**
 * Which objects there are of a class. The new ones of a transaction share entries, since an entry of its own for each would cost half as
 * much again as the object itself:
 *
 * | key | value | |
 * | --- | --- | --- |
 * | class, id | one byte | this object; the only form in files of format 1 |
 * | class, lowest id | ids | these objects, whose ids were made within a moment (`SPAN_MS`) |
 *
 * So an object is in the entry of its own key, or in one whose key lies before that by no more than that moment.
 */
import { Ref } from '../../src/backend.js'
import { type ClassId, type Id, madeAtMs } from '../../src/ids.js'
import { classNumberOf, classObjectKey, classPrefix, objectOf } from './keys.js'
import { openIds, sealIds } from './record.js'
import type { Key, Records } from './records.js'

/** No more than lmdb keeps on one page of their own. */
const IDS_MAX = 254
const SPAN_MS = 100
/** Entries looked at in one go when the one of an object is sought. */
const LOOK = 16

/** Where entries are written: every write is counted. */
export interface EntryWriter {
  put(records: Records, key: Key, value: Uint8Array): void
  remove(records: Records, key: Key): void
}

const entryName = (key: Key): string => `The index entry of object ${objectOf(key)}`
const holdsOne = (value: Uint8Array): boolean => value.length === 1

/** The ids of an entry. Errors: CorruptError. */
export const idsOf = (key: Key, value: Buffer): readonly Id[] =>
  holdsOne(value) ? [objectOf(key)] : openIds(key, value, () => entryName(key))

/** What one write transaction after the other does to the index. */
export class ClassIndex {
  readonly #records: Records
  readonly #writer: EntryWriter
  /** New in the running transaction, by class. */
  readonly #fresh = new Map<number, Id[]>()

  constructor(records: Records, writer: EntryWriter) {
    this.#records = records
    this.#writer = writer
  }

  /** Lists an object that is not listed. It is in the file after `finish`. */
  add(classNumber: number, id: Id): void {
    const fresh = this.#fresh.get(classNumber)
    if (fresh) fresh.push(id)
    else this.#fresh.set(classNumber, [id])
  }

  remove(classNumber: number, id: Id): void {
    const fresh = this.#fresh.get(classNumber)
    const at = fresh?.indexOf(id) ?? -1
    if (at >= 0) fresh!.splice(at, 1)
    else this.#removeStored(classNumber, id)
  }

  /** Before the transaction ends. */
  finish(): void {
    if (this.#fresh.size === 0) return
    for (const [classNumber, ids] of this.#fresh) this.#putAll(classNumber, inOrder(ids))
    this.#fresh.clear()
  }

  /** The transaction was rolled back. */
  forget(): void {
    this.#fresh.clear()
  }

  #putAll(classNumber: number, ids: readonly Id[]): void {
    for (let from = 0; from < ids.length; ) {
      const untilMs = madeAtMs(ids[from]!) + SPAN_MS
      // From behind, since nearly always all of them were made within the moment.
      let to = Math.min(from + IDS_MAX, ids.length)
      while (madeAtMs(ids[to - 1]!) > untilMs) to--
      this.#put(classObjectKey(classNumber, ids[from]!), ids.slice(from, to))
      from = to
    }
  }

  /** An id that comes once more goes to those that share its key, rather than over them. */
  #put(key: Key, ids: readonly Id[]): void {
    const standing = this.#records.look(key)
    const all = standing ? inOrder([...new Set([...idsOf(key, standing), ...ids])]) : ids
    this.#writer.put(this.#records, key, sealIds(key, all))
  }

  #removeStored(classNumber: number, id: Id): void {
    const own = classObjectKey(classNumber, id)
    const sinceMs = madeAtMs(id) - SPAN_MS
    let start: Key = own
    for (;;) {
      const keys = this.#records.keys({ start, end: classPrefix(classNumber), reverse: true, limit: LOOK })
      for (const key of keys) if (this.#removeFrom(key, id) || madeAtMs(objectOf(key)) < sinceMs) return
      if (keys.length < LOOK) return
      start = keys.at(-1)!
    }
  }

  /** Whether the object was in the entry of this key. */
  #removeFrom(key: Key, id: Id): boolean {
    const value = this.#records.look(key)
    const ids = value ? idsOf(key, value) : NO_IDS
    if (!ids.includes(id)) return false
    if (ids.length === 1) this.#writer.remove(this.#records, key)
    else
      this.#writer.put(
        this.#records,
        key,
        sealIds(
          key,
          ids.filter((one) => one !== id),
        ),
      )
    return true
  }
}

const NO_IDS: readonly Id[] = []

/** Ids of one thread come in their order, those of several do not. */
function inOrder(ids: Id[]): readonly Id[] {
  for (let i = 1; i < ids.length; i++) if (ids[i]! < ids[i - 1]!) return ids.sort()
  return ids
}

/** Puts the ids of entries, which come in the order of their keys and may overlap, in the order of ids, class by class. */
export class IdOrder {
  readonly #nameOf: (classNumber: number) => ClassId
  #classNumber = -1
  #held: Id[] = []

  constructor(nameOf: (classNumber: number) => ClassId) {
    this.#nameOf = nameOf
  }

  /** Gives what comes before all that is in this entry and later ones. */
  take(key: Key, ids: readonly Id[]): readonly Ref[] {
    const classNumber = classNumberOf(key)
    if (classNumber === this.#classNumber) {
      const before = this.#upTo(objectOf(key))
      this.#held = inOrder([...this.#held, ...ids]) as Id[]
      return before
    }
    const before = this.rest()
    this.#classNumber = classNumber
    this.#held = [...ids]
    return before
  }

  /** What is left when there are no more entries. */
  rest(): readonly Ref[] {
    return this.#refs(this.#held.splice(0))
  }

  #upTo(first: Id): readonly Ref[] {
    let end = this.#held.length
    while (end > 0 && this.#held[end - 1]! >= first) end--
    return this.#refs(this.#held.splice(0, end))
  }

  #refs(ids: readonly Id[]): readonly Ref[] {
    if (ids.length === 0) return NO_REFS
    const name = this.#nameOf(this.#classNumber)
    return ids.map((id) => new Ref(id, name))
  }
}

const NO_REFS: readonly Ref[] = []
