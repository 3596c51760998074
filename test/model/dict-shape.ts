/** Which dict a program is about: its columns, how rows lie, how they are written, and who owns it. */
import fc from 'fast-check'
import { StorageDict, StorageObject, t } from '../../runtime/index.js'
import type { AnyColumn, Columns } from '../../src/dict/column.js'
import type { Id } from '../../src/ids.js'
import { i64, keyTypes, type ModelType, valueTypes } from './dict-types.js'

export interface ModelColumn {
  readonly name: string
  readonly type: ModelType
  readonly isOptional: boolean
  readonly isCounter: boolean
  readonly isIndexed: boolean
}

export interface Shape {
  /** In table order: those of the partition come first. */
  readonly keys: readonly ModelColumn[]
  readonly partition: number
  readonly values: readonly ModelColumn[]
  readonly writes: 'lww' | 'cas'
  readonly standsAlone: boolean
}

export type AnyDict = StorageDict<any, any>
export type Owner = StorageObject & { note: string; readonly rows: AnyDict }
export interface OwnerClass {
  new (): Owner
  getByID(id: Id): Promise<Owner>
}

const KEY_NAMES = ['k', 'constructor', 'at']
const VALUE_NAMES = ['v', 'hasOwnProperty', 'Note', 'w']

const counter = (name: string): ModelColumn => ({ name, type: i64, isOptional: true, isCounter: true, isIndexed: false })
const column = (name: string, type: ModelType, isOptional: boolean, wantsIndex: boolean): ModelColumn => ({
  name,
  type,
  isOptional,
  isCounter: false,
  isIndexed: wantsIndex && type.index === true,
})

export const shapes: fc.Arbitrary<Shape> = fc
  .record({
    keys: fc.array(keyTypes, { minLength: 1, maxLength: 3 }),
    partition: fc.oneof({ arbitrary: fc.constant(1), weight: 3 }, { arbitrary: fc.integer({ min: 1, max: 3 }), weight: 1 }),
    values: fc.array(fc.tuple(valueTypes, fc.boolean(), fc.boolean()), { maxLength: 4 }),
    counters: fc.constantFrom(0, 0, 1, 2),
    writes: fc.constantFrom('lww' as const, 'lww' as const, 'cas' as const),
    standsAlone: fc.boolean(),
  })
  .map(({ keys, partition, values, counters, ...rest }) => ({
    ...rest,
    keys: keys.map((type, i) => column(KEY_NAMES[i]!, type, false, false)),
    partition: Math.min(partition, keys.length),
    values: [
      ...values.map(([type, optional, indexed], i) => column(VALUE_NAMES[i]!, type, optional, indexed)),
      ...Array.from({ length: counters }, (_, i) => counter(`hits${i}`)),
    ],
  }))

function columnOf({ type, isOptional, isCounter, isIndexed }: ModelColumn): AnyColumn {
  if (isCounter) return t.counter as AnyColumn
  const plain = isIndexed ? type.column.indexed() : type.column
  return isOptional ? plain.optional() : plain
}

const columnsOf = (columns: readonly ModelColumn[]): Columns => Object.fromEntries(columns.map((one) => [one.name, columnOf(one)]))

export const nameOf = ({ keys, partition, values, writes, standsAlone }: Shape): string => {
  const listed = (columns: readonly ModelColumn[]): string =>
    columns
      .map(
        (one) => `${one.name}${one.isOptional ? '?' : ''}: ${one.isCounter ? 'counter' : one.type.name}${one.isIndexed ? ' indexed' : ''}`,
      )
      .join(', ')
  return `(${listed(keys.slice(0, partition))} | ${listed(keys.slice(partition))}) -> (${listed(values)}) ${writes}${standsAlone ? ' alone' : ''}`
}

const classes = new Map<string, OwnerClass>()

/** Objects of one shape are of one class: a class is a table on some stores. */
export function classOf(shape: Shape): OwnerClass {
  const name = nameOf(shape)
  const known = classes.get(name)
  if (known) return known
  // the keys stand in another order than in the table, so that `partition` and `order` have something to say
  const keys = columnsOf([...shape.keys].reverse())
  const names = shape.keys.map((key) => key.name)
  const options = { partition: names.slice(0, shape.partition), order: names.slice(shape.partition), writes: shape.writes }
  const typeName = `insitu/model#Dict${classes.size}`
  const made = shape.standsAlone
    ? aloneClass(typeName, keys, columnsOf(shape.values), options)
    : ownerClass(typeName, keys, columnsOf(shape.values), options)
  classes.set(name, made)
  return made
}

interface Options {
  readonly partition: string[]
  readonly order: string[]
  readonly writes: 'lww' | 'cas'
}

function aloneClass(name: string, keys: Columns, values: Columns, options: Options): OwnerClass {
  class Alone extends StorageDict.of(keys, values, options) {
    static readonly typeName = name
    note = ''
  }
  const made: any = Alone
  return made
}

function ownerClass(name: string, keys: Columns, values: Columns, options: Options): OwnerClass {
  class Owning extends StorageObject {
    static readonly typeName = name
    note = ''
    rows = new StorageDict(keys, values, options)
  }
  const made: any = Owning
  return made
}

export const dictOf = (owner: Owner): AnyDict => owner.rows
