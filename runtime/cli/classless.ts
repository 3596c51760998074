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

const resolve = (ref: Ref): ShownRef => new ShownRef(ref.id, ref.classId)

const contextFor = (onDict: (dict: ShownDict) => void): DecodeContext => ({
  resolve,
  collection: (cell) => {
    const dict = new ShownDict(String(cell['table']), (cell['owner'] as Ref | undefined)?.id)
    onDict(dict)
    return dict
  },
  nested: anyClass,
})

/** An object's fields without its class; `onDict` is told each dict in them, however deep. @throws CorruptError */
export const fieldsOf = (cells: Cells, onDict: (dict: ShownDict) => void = () => {}): ReadonlyMap<string, unknown> =>
  decodeFields(new Map([...cells].filter(([, cell]) => !isDeleted(cell))), contextFor(onDict))

/** One cell of a row, outside any object. */
export function valueOfCell(cell: Cell | undefined): unknown {
  if (cell === undefined) return undefined
  if (Array.isArray(cell)) return cell.map(valueOfCell)
  if (isRef(cell)) return resolve(cell)
  return cell instanceof Packed ? fieldsOf(new Map([['', cell]])).get('') : cell
}

const isRef = (cell: Cell): cell is Ref => typeof cell === 'object' && cell !== null && 'classId' in cell
