import { type Cell, type Cells, Packed, type Ref } from '../../src/backend.js'
import { type DecodeContext, decodeFields, type NestedClass } from '../../src/codec/values.js'
import { isDeleted } from '../../src/unit/persist-plan.js'

/** A reference, as shown without its class. */
export class ShownRef {
  constructor(
    readonly id: string,
    readonly className: string,
  ) {}
}

/** A collection that the object owns or shares. */
export class ShownDict {
  constructor(
    readonly table: string,
    readonly owner: string | undefined,
  ) {}
}

/** Instances of the program's classes are shown as plain objects: this process does not have the classes, and must not import them. */
const anyClass = (name: string): NestedClass => ({
  name,
  fields: () => new Map(),
  create: () => ({}),
  rebuild: (fields, into = {}) => {
    for (const [key, value] of fields) Object.defineProperty(into, key, { value, enumerable: true, configurable: true, writable: true })
    return into
  },
})

const context: DecodeContext = {
  resolve: (ref) => new ShownRef(ref.id, ref.classId),
  collection: (cell) => new ShownDict(String(cell['table']), (cell['owner'] as Ref | undefined)?.id),
  nested: anyClass,
}

/** An object's fields without its class. @throws CorruptError */
export const fieldsOf = (cells: Cells): ReadonlyMap<string, unknown> =>
  decodeFields(new Map([...cells].filter(([, cell]) => !isDeleted(cell))), context)

/** The dicts among an object's fields, by field. */
export const dictsOf = (fields: ReadonlyMap<string, unknown>): readonly (readonly [string, ShownDict])[] =>
  [...fields].flatMap(([name, value]) => (value instanceof ShownDict ? [[name, value] as const] : []))

/** One cell of a row, outside any object. */
export const valueOfCell = (cell: Cell | undefined): unknown =>
  cell === undefined
    ? undefined
    : Array.isArray(cell)
      ? cell.map(valueOfCell)
      : isRef(cell)
        ? context.resolve(cell)
        : cell instanceof Packed
          ? fieldsOf(new Map([['', cell]])).get('')
          : cell

const isRef = (cell: Cell): cell is Ref => typeof cell === 'object' && cell !== null && 'classId' in cell
