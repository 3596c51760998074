/**
 * `static columns = { title: t.text, pages: t.i32, author: t.ref(() => Author), words: StorageDict }`: a class that says what type each of its
 * fields has. Its objects then have these fields and no others, of these types or null, on every store; one that keeps objects in typed
 * columns, as `cassandra://…?layout=hecuba` does for Hecuba's programs, takes the types from here.
 */
import type { FieldSpec } from '../backend.js'
import type { Constructor } from '../classes/class-locator.js'
import { classOf } from '../classes/class-registry.js'
import { Column } from '../dict/column.js'
import type { Kind } from '../dict/kind.js'
import { liveReferences } from '../dict/live-refs.js'
import { dictSchemaOf, isDict, StorageDict } from '../dict/storage-dict.js'
import { ValidationError } from '../errors.js'
import { construct, settingsOf } from './class-settings.js'

type Declared = ReadonlyMap<string, Kind | 'dict'>

const known = new WeakMap<Constructor, Declared | null>()

function declaredOf(ctor: Constructor): Declared | null {
  let declared = known.get(ctor)
  if (declared === undefined) {
    const { columns } = settingsOf(ctor)
    declared = isDeclaration(columns) ? read(ctor, columns) : null
    known.set(ctor, declared)
  }
  return declared
}

/** A class may have a static member of this name that is about something else. */
const isDeclaration = (columns: unknown): columns is object =>
  typeof columns === 'object' &&
  columns !== null &&
  Object.values(columns).some((column) => column instanceof Column || isDictClass(column))

const isDictClass = (column: unknown): boolean =>
  typeof column === 'function' && (column === StorageDict || column.prototype instanceof StorageDict)

function read(ctor: Constructor, columns: object): Declared {
  return new Map(Object.entries(columns).map(([name, column]) => [name, kindOf(ctor, name, column)]))
}

function kindOf(ctor: Constructor, name: string, column: unknown): Kind | 'dict' {
  if (column instanceof Column && column.kind.type !== 'counter') return column.kind
  if (isDictClass(column)) return 'dict'
  throw wrong(ctor, name)
}

const wrong = (ctor: Constructor, path: string): Error =>
  new ValidationError(
    `static columns of class ${ctor.name}: '${path}' is none; write { title: t.text, author: t.ref(() => Author), words: StorageDict }, without counters`,
    { code: 'ERR_COLUMN_INVALID', path },
  )

export const hasColumns = (ctor: Constructor): boolean => declaredOf(ctor) !== null

/** Errors: ValidationError for a field that is not declared, or holds something else. A class that declares nothing has any fields. */
export function requireColumns(ctor: Constructor, fields: ReadonlyMap<string, unknown>): void {
  const declared = declaredOf(ctor)
  if (!declared) return
  for (const [name, value] of fields) requireColumn(ctor, name, value, declared.get(name))
}

function requireColumn(ctor: Constructor, name: string, value: unknown, kind: Kind | 'dict' | undefined): void {
  const path = `${ctor.name}.${name}`
  if (!kind)
    throw new ValidationError(`field ${path} is not among the class's static columns: add it there, or to static transient`, { path: name })
  if (value === null) return
  if (kind !== 'dict') return void kind.toCell(value, name, liveReferences)
  if (!isDict(value)) throw new ValidationError(`field ${path} is declared a collection: it holds a StorageDict or null`, { path: name })
}

/** What the constructor makes; a class with `static restore` need not have one that does without arguments. */
function freshFields(ctor: Constructor): Record<string, unknown> {
  try {
    return construct(ctor) as Record<string, unknown>
  } catch {
    return {}
  }
}

/** What a store is told of a class; `undefined` for one that declares nothing. */
export function declaredFields(ctor: Constructor): readonly FieldSpec[] | undefined {
  const declared = declaredOf(ctor)
  if (!declared) return undefined
  const fresh = [...declared.values()].includes('dict') ? freshFields(ctor) : {}
  return [...declared].map(([name, kind]): FieldSpec => {
    if (kind === 'dict') return { name, type: 'dict', ...(isDict(fresh[name]) && { columns: dictSchemaOf(fresh[name]) }) }
    const of = kind.refersTo?.().prototype.constructor as Constructor | undefined
    return { name, type: kind.type, ...(of && { of: classOf(of).id }) }
  })
}
