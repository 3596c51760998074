import { ValidationError } from '../errors.js'
import type { Column, Columns, NewRow } from './column.js'
import { type DictOptions, dictLike, StorageDict } from './storage-dict.js'

type WithElement<K extends Columns, R, W> = K & { element: Column<R, W> }

export interface ElementRange<W> {
  /** First element, inclusive. */
  readonly from?: W
  /** Last element, exclusive. */
  readonly to?: W
  readonly limit?: number
  readonly reverse?: boolean
}

/**
 * A set per key, one row per element: adding to a set reads nothing and sends one row, and programs that add to one set at once all
 * count, which a `t.set` column, written whole, cannot give. As a dict it has the element as its last key column and no values, so that a
 * set without elements is not there.
 *
 * ```ts
 * class Index extends StorageObject {
 *   files = new StorageSets({ word: t.text }, t.text)
 * }
 * index.files.addTo({ word: 'in' }, 'a.txt', 'b.txt')
 * for await (const file of index.files.elements({ word: 'in' })) console.log(file)
 * ```
 */
export class StorageSets<K extends Columns, R, W> extends StorageDict<WithElement<K, R, W>, Record<never, never>> {
  constructor(keys: K, element: Column<R, W>, options: DictOptions<WithElement<K, R, W>> = {}) {
    if (Object.hasOwn(keys, 'element')) throw new ValidationError("no key column of sets can be called 'element'", { path: 'element' })
    super({ ...keys, element }, {}, options)
  }

  /** Adds elements; those that are there already stay. None is added if one is refused. */
  addTo(key: NewRow<K>, ...elements: readonly W[]): void {
    for (const row of this.#members(key, elements)) this.set(row, {})
  }

  /** Removes elements; a missing one is no error. None is removed if one is refused. */
  removeFrom(key: NewRow<K>, ...elements: readonly W[]): void {
    for (const row of this.#members(key, elements)) this.delete(row)
  }

  /** Rows that all can be written. */
  #members(key: NewRow<K>, elements: readonly W[]): readonly never[] {
    const rows = elements.map((element) => member(key, element))
    const tried = dictLike(this)
    for (const row of rows.length > 1 ? rows : []) tried.set(row, {})
    return rows
  }

  /** As of any dict: the parts of one with sets are such as well. */
  override async split(n?: number): Promise<StorageSets<K, R, W>[]> {
    const parts = await super.split(n)
    return parts.map((part) => Object.setPrototypeOf(part, StorageSets.prototype))
  }

  includes(key: NewRow<K>, element: W): Promise<boolean> {
    return this.has(member(key, element))
  }

  /** The elements of one set, in their order. */
  async *elements(key: NewRow<K>, { from, to, limit, reverse }: ElementRange<W> = {}): AsyncGenerator<R, void> {
    const bounds = {
      ...(from !== undefined && { from: member({}, from) }),
      ...(to !== undefined && { to: member({}, to) }),
      ...(limit !== undefined && { limit }),
      ...(reverse !== undefined && { reverse }),
    }
    for await (const [row] of this.range(prefix(key), bounds)) yield (row as { readonly element: R }).element
  }

  async sizeOf(key: NewRow<K>): Promise<number> {
    const { size } = await this.aggregate({ size: 'count' }, { prefix: prefix(key) })
    return size
  }

  /** Removes all elements of one set. */
  async clearOf(key: NewRow<K>): Promise<void> {
    for await (const [row] of this.range(prefix(key))) this.delete(row as never)
  }
}

// Of a generic row the compiler cannot tell that a column more makes it the longer row.
const member = (key: object, element: unknown): never => ({ ...key, element }) as never
const prefix = (key: object): never => key as never
