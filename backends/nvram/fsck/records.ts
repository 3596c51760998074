/** What a sound record of each database looks like. */
import { type Cell, type Cells, Packed, Ref, type Table } from '../../../src/backend.js'
import { collectionsIn, refsIn } from '../../../src/codec/values.js'
import { decodeWire } from '../../../src/codec/wire.js'
import { decodeKey } from '../../../src/dict/row-key.js'
import { fitsColumns } from '../../../src/dict/table-columns.js'
import { UnsupportedError } from '../../../src/errors.js'
import { type Id, readUuid, type TableId } from '../../../src/ids.js'
import { type AliasRecord, decodeCells, type RowRecord } from '../../memory/space.js'
import { idsOf } from '../class-index.js'
import type { DatabaseName } from '../databases.js'
import {
  aliasKey,
  aliasOf,
  CLASS_OBJECT_BYTES,
  formerMarkKey,
  homeOfFormerMark,
  homeOfMark,
  keyInTable,
  markKey,
  rowInGrave,
  tableIn,
} from '../keys.js'
import { rowName } from '../nvram-space.js'
import { FORMAT_KEY, OWNER_KEY, READABLE_FORMATS } from '../owner.js'
import { damaged, FILE_FORMAT, isFormerMark, type OpenObject, openMark, openObject, openReceipt, openRow, openValue } from '../record.js'
import { DROP_PREFIX } from '../table-drop.js'

const ID_BYTES = 16
const idAt = (key: Uint8Array, at = 0): string => (key.length >= at + ID_BYTES ? readUuid(key, at) : `key ${hex(key)}`)
const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex')

/** What errors call a record. */
export function nameOf(database: DatabaseName, key: Buffer): string {
  switch (database) {
    case 'objects':
      return `Object ${idAt(key)}`
    case 'names':
      return `Alias ${JSON.stringify(aliasOf(key))}`
    case 'tables':
      return `Table ${idAt(key)}`
    case 'rows':
      return key.length > ID_BYTES ? rowName(tableIn(key), keyInTable(key)) : `Row with key ${hex(key)}`
    case 'marks':
      return `Mark ${hex(key)}`
    case 'staged':
      return `What is staged at ${idAt(key)}`
    case 'receipts':
      return `The receipt of commit ${idAt(key)}`
    case 'classes':
      return key[0] === 0 && key.length === 5
        ? `Class number ${key.readUInt32BE(1)}`
        : `Class ${JSON.stringify(key.subarray(1).toString())}`
    case 'objectsByClass':
      return `The index entry of object ${idAt(key, 4)}`
    case 'namesByObject':
      return `The index entry of alias ${JSON.stringify(key.subarray(ID_BYTES).toString())} of object ${idAt(key)}`
    case 'graves':
      return `The trace of a removed row, ${hex(key)}`
    default:
      return `Entry ${JSON.stringify(key.toString())} of the file`
  }
}

// What a record says, once it is known to be sound. All of them throw what damage they find: CorruptError, UnsupportedError.

export interface SoundObject {
  readonly open: OpenObject
  readonly cells: Cells
}

export function soundObject(key: Buffer, value: Buffer): SoundObject {
  const what = (): string => nameOf('objects', key)
  require(key.length === ID_BYTES, what)
  const open = openObject(key, value, what)
  return { open, cells: open.stamp ? decodeCells(value, open.bodyAt) : new Map() }
}

export const soundTable = (key: Buffer, value: Buffer): Table => {
  const table = openValue(key, value, () => nameOf('tables', key)) as Table
  require(table?.id === idAt(key), () => nameOf('tables', key))
  return table
}

export function soundAlias(key: Buffer, value: Buffer): AliasRecord {
  const what = (): string => nameOf('names', key)
  require(Buffer.compare(key, aliasKey(aliasOf(key))) === 0, what)
  return openValue(key, value, what) as unknown as AliasRecord
}

/** With its table, whether its key and values fit that as well. */
export function soundRow(key: Buffer, value: Buffer, table?: Table): RowRecord {
  const what = (): string => nameOf('rows', key)
  require(key.length >= ID_BYTES, what)
  const row = openRow(key, value, what)
  if (!table) return row
  decodeKey(table, keyInTable(key))
  if (row.values) require(fitsColumns(table, valuesOf(row).length), what)
  return row
}

export const valuesOf = ({ values }: RowRecord): readonly (Cell | undefined)[] => {
  const list = values ? decodeWire(values) : []
  return Array.isArray(list) ? list : []
}

/** The name behind a number, or the number behind a name. */
export function soundClass(key: Buffer, value: Buffer): string | number {
  const what = (): string => nameOf('classes', key)
  const found = openValue(key, value, what)
  require(key[0] === 0 ? key.length === 5 && typeof found === 'string' : typeof found === 'number', what)
  return found as string | number
}

/** Records that nothing else is known from. */
export function checkRecord(database: DatabaseName, key: Buffer, value: Buffer): void {
  const what = (): string => nameOf(database, key)
  switch (database) {
    case 'marks': {
      const task = (openMark(key, value, what) as { readonly key?: unknown } | null)?.key
      require(key.length > ID_BYTES && typeof task === 'string', what)
      return require(Buffer.compare(key, keyOfMark(key, value, task as string)) === 0, what)
    }
    case 'staged':
      return require(key.length === 2 * ID_BYTES && Array.isArray(openValue(key, value, what)), what)
    case 'receipts':
      return require(key.length === ID_BYTES && openReceipt(key, value, what) !== undefined, what)
    case 'streams':
      return require(key.length > ID_BYTES && openValue(key, value, what) !== undefined, what)
    case 'meta':
      return checkEntryOfFile(key, value, what)
    case 'objectsByClass':
      return require(key.length === CLASS_OBJECT_BYTES && idsOf(key, value).length > 0, what)
    case 'namesByObject':
      return require(key.length > ID_BYTES, what)
    case 'graves':
      return require(rowInGrave(key).length > ID_BYTES, what)
    default:
  }
}

const keyOfMark = (key: Buffer, value: Buffer, task: string): Uint8Array =>
  isFormerMark(value) ? formerMarkKey(homeOfFormerMark(key), task) : markKey(homeOfMark(key), task)

function checkEntryOfFile(key: Buffer, value: Buffer, what: () => string): void {
  if (key.equals(FORMAT_KEY)) return requireFormat(value.toString(), what)
  if (key.equals(OWNER_KEY)) return void openValue(key, value, what)
  require(key.subarray(0, DROP_PREFIX.length).equals(DROP_PREFIX), what)
}

function requireFormat(found: string, what: () => string): void {
  require(/^[1-9]\d{0,5}$/.test(found), what)
  if (!READABLE_FORMATS.includes(found))
    throw new UnsupportedError(
      `The store has format ${found}, this version checks ${FILE_FORMAT}: use the version that wrote it, or a later one.`,
      {
        code: 'ERR_FORMAT_VERSION',
        format: found,
      },
    )
}

function require(isSound: boolean, what: () => string): void {
  if (!isSound) throw damaged(what, 'it is not what its key says')
}

// ---- where records lead

const MANIFEST = 0xfe

/** Large fields are lists of chunks, in a form of their own. */
const plain = (cells: Cells): Cells => new Map([...cells].filter(([, cell]) => !(cell instanceof Packed && cell.bytes[0] === MANIFEST)))

export const refsOf = (cells: Cells): readonly Ref[] => refsIn(plain(cells)).filter(({ store }) => store === undefined)

/** The tables that an object owns, as its fields describe them. */
export function tablesIn(owner: Id, cells: Cells): readonly Table[] {
  const listed = collectionsIn(plain(cells)) as unknown as (Omit<Table, 'id'> & { readonly table: TableId })[]
  return listed
    .filter((cell) => cell.owner instanceof Ref && cell.owner.id === owner)
    .map(({ table: id, owner: of, keys, partition, values, writes }) => ({ id, owner: of, keys, partition, values, writes }))
}
