/** Which dict a program is about: its columns, how rows lie, how they are written, and who owns it. */
import fc from 'fast-check'
import { StorageDict, StorageObject, StorageSets, t } from '../../runtime/index.js'
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
  readonly writes: Writes
  readonly standsAlone: boolean
  /** So many of the values, the last ones, are not in the class of programs from before. */
  readonly gains: number
  /** A set for each key: the last key column is its element. */
  readonly isSets: boolean
}

type Writes = 'lww' | 'cas' | 'counters'

export type AnyDict = StorageDict<any, any>
export type AnySets = StorageSets<any, any, any>
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

const keyLists = fc.array(keyTypes, { minLength: 1, maxLength: 3 })
const partitions = fc.oneof({ arbitrary: fc.constant(1), weight: 3 }, { arbitrary: fc.integer({ min: 1, max: 3 }), weight: 1 })
const keysOf = (types: readonly ModelType[]): ModelColumn[] => types.map((type, i) => column(KEY_NAMES[i]!, type, false, false))
const countersOf = (count: number): ModelColumn[] => Array.from({ length: count }, (_, i) => counter(`hits${i}`))

const dicts: fc.Arbitrary<Shape> = fc
  .record({
    keys: keyLists,
    partition: partitions,
    values: fc.array(fc.tuple(valueTypes, fc.boolean(), fc.boolean()), { maxLength: 4 }),
    counters: fc.constantFrom(0, 0, 1, 2),
    writes: fc.constantFrom('lww' as const, 'lww' as const, 'cas' as const),
    standsAlone: fc.boolean(),
    gains: fc.constantFrom(0, 0, 1, 2, 3),
  })
  .map(({ keys, partition, values: types, counters, gains, ...rest }) => {
    const values = [
      ...types.map(([type, optional, indexed], i) => column(VALUE_NAMES[i]!, type, optional, indexed)),
      ...countersOf(counters),
    ]
    const needed = values.findLastIndex(({ isOptional }) => !isOptional) + 1
    return {
      ...rest,
      keys: keysOf(keys),
      partition: Math.min(partition, keys.length),
      values,
      gains: Math.min(gains, values.length - needed),
      isSets: false,
    }
  })

const counters: fc.Arbitrary<Shape> = fc
  .record({
    keys: keyLists,
    partition: partitions,
    count: fc.constantFrom(1, 2, 3),
    standsAlone: fc.boolean(),
    gains: fc.constantFrom(0, 1),
  })
  .map(({ keys, partition, count, standsAlone, gains }) => ({
    keys: keysOf(keys),
    partition: Math.min(partition, keys.length),
    values: countersOf(count),
    writes: 'counters',
    standsAlone,
    gains: Math.min(gains, count - 1),
    isSets: false,
  }))

const sets: fc.Arbitrary<Shape> = fc
  .record({
    keys: fc.array(keyTypes, { minLength: 1, maxLength: 2 }),
    element: keyTypes,
    writes: fc.constantFrom('lww' as const, 'cas' as const),
  })
  .map(({ keys, element, writes }) => ({
    keys: [...keysOf(keys), column('element', element, false, false)],
    partition: 1,
    values: [],
    writes,
    standsAlone: false,
    gains: 0,
    isSets: true,
  }))

export const shapes: fc.Arbitrary<Shape> = fc.oneof(
  { weight: 6, arbitrary: dicts },
  { weight: 1, arbitrary: counters },
  { weight: 1, arbitrary: sets },
)

/** As programs from before have it. */
export const formerOf = (shape: Shape): Shape => ({ ...shape, values: shape.values.slice(0, shape.values.length - shape.gains) })

/** What of a row, as it is written or as it is, concerns these columns. */
export const within = ({ values }: Shape, row: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> =>
  Object.fromEntries(Object.entries(row).filter(([name]) => values.some((one) => one.name === name)))

function columnOf({ type, isOptional, isCounter, isIndexed }: ModelColumn): AnyColumn {
  if (isCounter) return t.counter as AnyColumn
  const plain = isIndexed ? type.column.indexed() : type.column
  return isOptional ? plain.optional() : plain
}

const columnsOf = (columns: readonly ModelColumn[]): Columns => Object.fromEntries(columns.map((one) => [one.name, columnOf(one)]))

export const nameOf = ({ keys, partition, values, writes, standsAlone, gains, isSets }: Shape): string => {
  const listed = (columns: readonly ModelColumn[]): string =>
    columns
      .map(
        (one) => `${one.name}${one.isOptional ? '?' : ''}: ${one.isCounter ? 'counter' : one.type.name}${one.isIndexed ? ' indexed' : ''}`,
      )
      .join(', ')
  return `(${listed(keys.slice(0, partition))} | ${listed(keys.slice(partition))}) -> (${listed(values)}) ${writes}${standsAlone ? ' alone' : ''}${gains > 0 ? `, gained ${gains}` : ''}${isSets ? ', sets' : ''}`
}

const classes = new Map<string, { readonly typeName: string; readonly made: OwnerClass }>()

/**
 * Objects of one shape are of one class: a class is a table on some stores. That of programs from before bears the same name; of two classes
 * of one name a process finds the later one, so that each program brings one of its own.
 */
export function classOf(shape: Shape, isFormer = false): OwnerClass {
  const name = nameOf(shape)
  let known = classes.get(name)
  if (!known) {
    const typeName = `insitu/model#Dict${classes.size}`
    known = { typeName, made: classNamed(typeName, shape) }
    classes.set(name, known)
  }
  return shape.gains === 0 ? known.made : classNamed(known.typeName, isFormer ? formerOf(shape) : shape)
}

function classNamed(typeName: string, shape: Shape): OwnerClass {
  // the keys stand in another order than in the table, so that `partition` and `order` have something to say
  const keys = columnsOf([...shape.keys].reverse())
  const names = shape.keys.map((key) => key.name)
  const options = { partition: names.slice(0, shape.partition), order: names.slice(shape.partition), writes: shape.writes }
  if (shape.isSets) return setsClass(typeName, shape.keys, options)
  return (shape.standsAlone ? aloneClass : ownerClass)(typeName, keys, columnsOf(shape.values), options)
}

interface Options {
  readonly partition: string[]
  readonly order: string[]
  readonly writes: Writes
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

function setsClass(name: string, keys: readonly ModelColumn[], options: Options): OwnerClass {
  const element: any = keys.at(-1)!.type.column
  class Owning extends StorageObject {
    static readonly typeName = name
    note = ''
    rows: AnySets = new StorageSets(columnsOf(keys.slice(0, -1)), element, options)
  }
  const made: any = Owning
  return made
}

export const dictOf = (owner: Owner): AnyDict => owner.rows
