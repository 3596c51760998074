import type { ColumnSpec, ColumnType, RecordField, RecordNames } from '../backend.js'
import { CorruptError, ValidationError } from '../errors.js'
import type { Id } from '../ids.js'
import { listKind, mapKind, recordKind, setKind, tupleKind, vectorKind } from './collection-kinds.js'
import { type AnyColumn, Column, type Columns, isColumn, type NewRow, type Row, requireColumn } from './column.js'
import { type Kind, shown } from './kind.js'
import { refKind, scalarKinds } from './scalar-kinds.js'

/** What can be referred to: a StorageObject. */
interface Referable {
  getID(): Id | null
}
/** A class, abstract ones and those with private constructors included. */
interface ClassOf<T> {
  readonly prototype: T
}
type AnyTuple = readonly Column<any, any>[]
type ReadTuple<C extends AnyTuple> = { [I in keyof C]: C[I] extends Column<infer Read, any> ? Read : never }
type WriteTuple<C extends AnyTuple> = { [I in keyof C]: C[I] extends Column<any, infer Write> ? Write : never }

/**
 * The column types of a StorageDict.
 *
 * | column | reads as | takes |
 * | --- | --- | --- |
 * | text, bool | string, boolean | the same |
 * | i32, f32, f64 | number | number; f32 is rounded |
 * | i64 | bigint | bigint, or a number while it is exact |
 * | decimal | string, exact with its scale: '1.50' | string or bigint |
 * | blob | Uint8Array, a copy | Uint8Array |
 * | uuid | string, lower case | string |
 * | date, time | string as ISO 8601 and Temporal print them | string |
 * | timestamp | Date | Date |
 * | counter | bigint, 0n before the first `add` | only `add` |
 * | ref | the object, or a handle | the object |
 * | set, list, tuple, map | ReadonlySet, array, array, ReadonlyMap | iterable, array, array, Map or pairs |
 * | record | object | object |
 * | vector | Float32Array | array of numbers |
 */
export const t = Object.freeze({
  text: new Column<string>(scalarKinds.text),
  bool: new Column<boolean>(scalarKinds.bool),
  i32: new Column<number>(scalarKinds.i32),
  i64: new Column<bigint, bigint | number>(scalarKinds.i64),
  f32: new Column<number>(scalarKinds.f32),
  f64: new Column<number>(scalarKinds.f64),
  decimal: new Column<string, string | bigint>(scalarKinds.decimal),
  blob: new Column<Uint8Array>(scalarKinds.blob),
  uuid: new Column<string>(scalarKinds.uuid),
  date: new Column<string>(scalarKinds.date),
  time: new Column<string>(scalarKinds.time),
  timestamp: new Column<Date>(scalarKinds.timestamp),
  counter: new Column<bigint, never>(scalarKinds.counter),

  /** A reference, looked up late so that two classes may refer to each other: `t.ref(() => Person)`. */
  ref: <T extends Referable>(of: () => ClassOf<T>): Column<T> => new Column(refKind(requireThunk(of))),
  set: <R, W>(of: Column<R, W>): Column<ReadonlySet<R>, Iterable<W>> => new Column(setKind(kindIn('set', of))),
  list: <R, W>(of: Column<R, W>): Column<readonly R[], readonly W[]> => new Column(listKind(kindIn('list', of))),
  tuple: <const C extends AnyTuple>(...of: C): Column<ReadTuple<C>, WriteTuple<C>> => {
    if (of.length === 0) throw new ValidationError('a tuple needs at least one column: t.tuple(t.text, t.i32)')
    return new Column(tupleKind(of.map((column) => kindIn('tuple', column))))
  },
  map: <KR, KW, VR, VW>(keys: Column<KR, KW>, values: Column<VR, VW>): Column<ReadonlyMap<KR, VR>, Iterable<readonly [KW, VW]>> =>
    new Column(mapKind(kindIn('map', keys), kindIn('map', values))),
  /** A nested record: `t.record({ x: t.f64, label: t.text.optional() })`. Its fields are kept by their places: add new ones at the end, in a new column. */
  record: <C extends Columns>(fields: C): Column<Row<C>, NewRow<C>> => new Column(recordKind(recordFields(fields))),
  /** A fixed number of 32-bit floats, as similarity search takes them. */
  vector: (length: number): Column<Float32Array, ArrayLike<number>> => new Column(vectorKind(length)),
})

function kindIn(what: string, column: AnyColumn): Kind {
  if (!isColumn(column)) throw new ValidationError(`a ${what} is of columns, as t.text is one; ${shown(column)} is none`)
  if (column.kind.type === 'counter') throw new ValidationError(`a ${what} cannot hold counters: each is a column of its own`)
  return column.kind
}

/** Looked up when it is first needed: so not the class itself, which could not be called then. */
function requireThunk<C>(of: () => C): () => C {
  const isClass = typeof of === 'function' && typeof of.prototype === 'object' && Symbol.for('insitu.StorageObject') in of.prototype
  if (typeof of === 'function' && !isClass) return of
  throw new ValidationError('t.ref wants a function that gives the class: t.ref(() => Person)')
}

function recordFields(fields: Columns): ReadonlyMap<string, AnyColumn> {
  const columns = new Map(Object.entries(fields))
  for (const [name, column] of columns) requireColumn(name, column)
  for (const [name, { kind }] of columns)
    if (kind.type === 'counter' || name === '__proto__')
      throw new ValidationError(`a record cannot have ${name === '__proto__' ? "a field '__proto__'" : `a counter ('${name}')`}`, {
        path: name,
      })
  if (columns.size === 0) throw new ValidationError('a record needs at least one field')
  return columns
}

/** The column that a stored definition describes; references may then be of any class. Errors: CorruptError. */
export function columnOf(spec: ColumnSpec): AnyColumn {
  return new Column(kindOf(spec.type, spec.records), spec.optional ?? false, spec.indexed ?? false)
}

function kindOf(type: ColumnType, records: RecordNames | null | undefined): Kind {
  if (typeof type === 'string') return type === 'ref' ? refKind() : scalarKinds[type]
  const within = (of: ColumnType, i: number): Kind => kindOf(of, records && 'within' in records ? records.within[i] : undefined)
  if ('setOf' in type) return setKind(within(type.setOf, 0))
  if ('listOf' in type) return listKind(within(type.listOf, 0))
  if ('mapOf' in type) return mapKind(within(type.mapOf[0], 0), within(type.mapOf[1], 1))
  if ('vectorOf' in type) return vectorKind(type.vectorOf)
  return records && 'fields' in records ? namedKind(type.tupleOf, records.fields) : tupleKind(type.tupleOf.map(within))
}

/** The names come from a store: none of them may be what no class could have said. */
function namedKind(types: readonly ColumnType[], fields: readonly RecordField[]): Kind {
  if (fields.length !== types.length || fields.some(([name]) => name === '__proto__'))
    throw new CorruptError(
      `a column holds records of ${types.length} fields, and is said to have others: ${String(fields.map(([name]) => name))}`,
    )
  return recordKind(new Map(fields.map(([name, mayBeAbsent, of], i) => [name, { kind: kindOf(types[i]!, of), mayBeAbsent }])))
}
