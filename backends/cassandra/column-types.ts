/**
 * Column types of dicts as types of CQL, and their values. Every type has its own in Cassandra, but for two places where Cassandra has
 * another order than keys have here: uuids are ordered by their version first, so that in an order column they stand as text, and
 * references likewise.
 */
import type { types } from 'cassandra-driver'
import { type Cell, type ColumnType, Ref } from '../../src/backend.js'
import { nanosOf, nanosText } from '../../src/dict/calendar.js'
import { CorruptError, ValidationError } from '../../src/errors.js'
import type { ClassId, Id } from '../../src/ids.js'
import type { DriverModule } from './cassandra-driver-loader.js'
import { decimalFrom, driverDecimal } from './decimals.js'
import { keyText, textOfKey } from './places.js'

type Scalar = Extract<ColumnType, string>

/** Where a column stands, since the same type is written in several ways. */
export type Position = 'value' | 'partition' | 'order'

const SCALARS: Readonly<Record<Scalar, string>> = {
  text: 'text',
  bool: 'boolean',
  i32: 'int',
  i64: 'bigint',
  f32: 'float',
  f64: 'double',
  decimal: 'decimal',
  blob: 'blob',
  uuid: 'uuid',
  date: 'date',
  time: 'time',
  timestamp: 'timestamp',
  counter: 'map<uuid, bigint>',
  ref: 'tuple<uuid, text>',
}

export function cqlType(type: ColumnType, position: Position): string {
  if (typeof type === 'string') return position === 'order' && (type === 'uuid' || type === 'ref') ? 'text' : SCALARS[type]
  if ('tupleOf' in type) return `frozen<tuple<${type.tupleOf.map((of) => nestedType(of, position)).join(', ')}>>`
  return collectionType(type)
}

function collectionType(type: Exclude<ColumnType, Scalar | { readonly tupleOf: unknown }>): string {
  if ('setOf' in type) return `frozen<set<${cqlType(type.setOf, 'order')}>>`
  if ('listOf' in type) return `frozen<list<${nestedType(type.listOf, 'value')}>>`
  if ('mapOf' in type) return `frozen<map<${cqlType(type.mapOf[0], 'order')}, ${nestedType(type.mapOf[1], 'value')}>>`
  return `vector<float, ${type.vectorOf}>`
}

/** The driver takes an empty collection for null, and gives it back as that: so one inside another has a wrapping, a tuple of it alone. */
const nestedType = (type: ColumnType, position: Position): string =>
  isCollection(type) ? `frozen<tuple<${cqlType(type, 'value')}>>` : cqlType(type, position)

export const isCollection = (type: ColumnType): boolean =>
  typeof type !== 'string' && ('setOf' in type || 'listOf' in type || 'mapOf' in type)

/** Cells to parameters and back, with the classes of the driver that is loaded. */
export class ColumnValues {
  constructor(readonly driver: DriverModule) {}

  toCql(type: ColumnType, cell: Cell, position: Position): unknown {
    if (typeof type === 'string') return this.#scalar(type, cell, position)
    const cells = cell as readonly Cell[]
    if ('tupleOf' in type) return this.#tuple(type.tupleOf, cells, position)
    if ('setOf' in type) return new Set(cells.map((one) => this.toCql(type.setOf, one, 'order')))
    if ('listOf' in type) return cells.map((one) => this.#nested(type.listOf, one, 'value'))
    if ('mapOf' in type) return this.#map(type.mapOf, cells as unknown[] as [Cell, Cell][])
    return new this.driver.types.Vector([...(cells as readonly number[])], 'float')
  }

  #map([keys, values]: readonly [ColumnType, ColumnType], entries: readonly (readonly [Cell, Cell])[]): Map<unknown, unknown> {
    return new Map(entries.map(([key, value]) => [this.toCql(keys, key, 'order'), this.#nested(values, value, 'value')]))
  }

  #tuple(of: readonly ColumnType[], cells: readonly Cell[], position: Position): types.Tuple {
    const { Tuple } = this.driver.types
    return new Tuple(
      ...of.map((type, i) => {
        const cell = cells[i] ?? null
        return cell === null ? null : this.#nested(type, cell, position)
      }),
    )
  }

  #nested(type: ColumnType, cell: Cell, position: Position): unknown {
    return isCollection(type) ? new this.driver.types.Tuple(this.toCql(type, cell, 'value')) : this.toCql(type, cell, position)
  }

  #fromNested(type: ColumnType, value: unknown, position: Position): Cell {
    return isCollection(type) ? this.fromCql(type, (value as types.Tuple).elements[0], 'value') : this.fromCql(type, value, position)
  }

  #scalar(type: Scalar, cell: Cell, position: Position): unknown {
    const { types } = this.driver
    switch (type) {
      case 'text':
        return position === 'partition' ? keyText(cell as string) : cell
      case 'blob':
        return position === 'partition' ? keyBytes(cell as Uint8Array) : Buffer.from(cell as Uint8Array)
      case 'decimal':
        return driverDecimal(this.driver, cell as string)
      case 'uuid':
        return position === 'order' ? cell : types.Uuid.fromString(cell as string)
      case 'date':
        return dateOf(this.driver, cell as string)
      case 'time':
        return new types.LocalTime(types.Long.fromNumber(nanosOf(cell as string)!))
      case 'ref':
        return this.#ref(cell as Ref, position)
      case 'counter':
        throw new ValidationError('a counter is not written, but added to')
      default:
        return cell
    }
  }

  #ref({ id, classId, store }: Ref, position: Position): unknown {
    const { types } = this.driver
    const rest = store === undefined ? classId : `${classId} ${store}`
    return position === 'order' ? `${id} ${rest}` : new types.Tuple(types.Uuid.fromString(id), rest)
  }

  /** @throws CorruptError for what only another client can have written */
  fromCql(type: ColumnType, value: unknown, position: Position): Cell {
    if (typeof type === 'string') return this.#fromScalar(type, value, position)
    if ('tupleOf' in type) return this.#fromTuple(type.tupleOf, value as types.Tuple, position)
    if (value === null || value === undefined) return [] // inside a collection nothing is null
    if ('setOf' in type) return [...(value as Set<unknown>)].map((one) => this.fromCql(type.setOf, one, 'order'))
    if ('listOf' in type) return (value as readonly unknown[]).map((one) => this.#fromNested(type.listOf, one, 'value'))
    if ('mapOf' in type) {
      const [keys, values] = type.mapOf
      return [...(value as Map<unknown, unknown>)].map(([k, v]) => [this.fromCql(keys, k, 'order'), this.#fromNested(values, v, 'value')])
    }
    return Array.from(value as Iterable<number>)
  }

  #fromTuple(of: readonly ColumnType[], { elements }: types.Tuple, position: Position): Cell {
    return of.map((type, i) => {
      const value: unknown = elements[i] ?? null
      return value === null ? null : this.#fromNested(type, value, position)
    })
  }

  #fromScalar(type: Scalar, value: unknown, position: Position): Cell {
    switch (type) {
      case 'text':
        return position === 'partition' ? textOfKey(value as string) : (value as string)
      case 'blob':
        return position === 'partition' ? bytesOfKey(value as Buffer) : Uint8Array.from(value as Buffer)
      case 'decimal':
        return decimalFrom(this.driver, value as types.BigDecimal)
      case 'uuid':
        return String(value)
      case 'date':
        return dateText(value as types.LocalDate)
      case 'timestamp':
        return momentOf(value as Date)
      case 'time':
        return nanosText(Number(String((value as { readonly value: unknown }).value)))
      case 'ref':
        return refFrom(value, position)
      default:
        return value as Cell
    }
  }
}

function dateText(date: types.LocalDate): string {
  const { year, month, day } = date
  if (year >= 0 && year <= 9999) return [pad(year, 4), pad(month, 2), pad(day, 2)].join('-')
  throw new CorruptError(`a date of another client is beyond the years 0 to 9999: ${String(date)}`)
}

function momentOf(date: Date): Date {
  if (Number.isNaN(date.getTime())) throw new CorruptError('a timestamp of another client is beyond the years that Date has')
  return date
}

function dateOf({ types }: DriverModule, text: string): types.LocalDate {
  const [year = 0, month = 0, day = 0] = text.split('-').map(Number)
  return new types.LocalDate(year, month, day)
}

const pad = (n: number, digits: number): string => String(n).padStart(digits, '0')

function refFrom(value: unknown, position: Position): Ref {
  const parts = position === 'order' ? [value] : (value as types.Tuple).elements
  if (parts.some((part) => part === null || part === undefined))
    throw new CorruptError('a reference of another client lacks its id or class')
  const [id = '', classId = '', store] = parts.flatMap((part) => String(part).split(' '))
  return new Ref(id as Id, classId as ClassId, store)
}

/** As with texts: no bytes at all are no key. */
function keyBytes(bytes: Uint8Array): Buffer {
  return bytes.every((byte) => byte === 0) ? Buffer.concat([bytes, Buffer.of(0)]) : Buffer.from(bytes)
}

const bytesOfKey = (bytes: Buffer): Uint8Array => Uint8Array.from(bytes.every((byte) => byte === 0) ? bytes.subarray(1) : bytes)
