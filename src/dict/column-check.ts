import type { Cell, ColumnType } from '../backend.js'
import { sameCell } from '../codec/values.js'
import { UnsupportedError } from '../errors.js'
import type { AnyColumn } from './column.js'
import { hasOrder, type Kind, keyCell, type References } from './kind.js'
import type { DictRow } from './merged-scan.js'
import { encodeKeyText } from './row-key.js'
import { scalarKinds } from './scalar-kinds.js'

/** One column of a dict, for conditions and aggregates: where its cell stands in a row, and how cells compare. */
export class ColumnCheck {
  readonly #kind: Kind

  constructor(
    readonly name: string,
    column: AnyColumn,
    readonly part: 'key' | 'values',
    readonly index: number,
  ) {
    // What a counter is compared with is no change of it.
    const { kind, isIndexed } = column
    this.#kind = kind.type === 'counter' ? scalarKinds.i64 : kind
    this.isCounter = kind.type === 'counter'
    this.isIndexed = isIndexed
  }

  readonly isCounter: boolean
  readonly isIndexed: boolean

  get type(): ColumnType {
    return this.#kind.type
  }

  get hasOrder(): boolean {
    return hasOrder(this.#kind)
  }

  cellOf(row: DictRow): Cell | undefined {
    return this.part === 'key' ? row.key[this.index] : (row.values[this.index] ?? (this.isCounter ? 0n : undefined))
  }

  toCell(value: unknown, refs: References): Cell {
    return keyCell(this.#kind, this.#kind.toCell(value, this.name, refs))
  }

  fromCell(cell: Cell, refs: References): unknown {
    return this.#kind.fromCell(cell, refs)
  }

  /** The cell of what a set or list may hold, or a map may have as a key. */
  elementCell(value: unknown, refs: References): Cell {
    const { element } = this.#kind
    if (!element)
      throw new UnsupportedError(`where: column '${this.name}': it holds no elements, so that \`has\` means nothing`, { code: 'ERR_WHERE' })
    return keyCell(element, element.toCell(value, this.name, refs))
  }

  /** What stands in a member of the cell. */
  elementOf(member: Cell): Cell {
    const { element, type } = this.#kind
    const cell = typeof type === 'object' && 'mapOf' in type ? (member as readonly Cell[])[0]! : member
    return keyCell(element!, cell)
  }

  equal(cell: Cell, other: Cell): boolean {
    return sameCell(keyCell(this.#kind, cell), keyCell(this.#kind, other))
  }

  /** A text whose `<` is the order of the column's values. As a key, but of any length. */
  order(cell: Cell): string {
    if (typeof cell === 'string' && this.type === 'text') return Buffer.from(cell).toString('latin1')
    if (cell instanceof Uint8Array) return Buffer.from(cell.buffer, cell.byteOffset, cell.length).toString('latin1')
    return this.keyText(cell)
  }

  /** The cell as part of a key: it says itself where it ends. Errors: ERR_KEY_TOO_LONG. */
  keyText(cell: Cell): string {
    return encodeKeyText({ keys: [{ name: this.name, type: this.type }] }, [keyCell(this.#kind, cell)])
  }
}
