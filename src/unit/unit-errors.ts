import { columnsText, compareColumns, type TableColumns } from '../dict/table-columns.js'
import {
  NotFoundError,
  SchemaMismatchError,
  UnsavedChangesError,
  UnsupportedError,
  ValidationError,
  WrongDirectionError,
} from '../errors.js'
import { type Id, idIn } from '../ids.js'
import { assertKnown } from '../known-options.js'
import { constructorOfInstance } from '../objects/fields.js'
import type { ObjectState } from '../objects/object-state.js'
import type { GetOptions } from '../objects/storage-object.js'

export const nameOf = (state: ObjectState): string => `${constructorOfInstance(state.instance).name}${state.ref ? ` ${state.ref.id}` : ''}`

export const noVersionsHere = (): Error =>
  new UnsupportedError('versions are made and consolidated in the main program, not inside a task or transaction', {
    code: 'ERR_NO_VERSIONS',
  })

export const noReplicas = (url: string): Error =>
  new UnsupportedError(`${url} keeps no further copies: read the object where it is`, { code: 'ERR_NO_REPLICAS' })

export const noCopyYet = (state: ObjectState): Error =>
  new ValidationError(`${nameOf(state)} is stored when this task or transaction ends: ask for a further copy after that`, {
    code: 'ERR_NOT_PERSISTENT',
  })

export function notFound(id: string, url: string): Error {
  return new NotFoundError(`no object has the id ${id} in ${url}`, { id })
}

/** The id that somebody asks for. Errors: NotFoundError for what is none. */
export function asId(id: unknown): Id {
  const found = idIn(id)
  if (!found) throw new NotFoundError(`${String(id).slice(0, 60)} is not an id (a uuid); look names up with getByAlias`, { id })
  return found
}

/** What `getByAlias` and `getByID` take. @throws ValidationError */
export function assertGetOptions(options: GetOptions, of: string): void {
  assertKnown(options, ['depth'], of)
  const { depth } = options
  if (depth !== undefined && !(Number.isInteger(depth) && Number(depth) >= 0) && depth !== Number.POSITIVE_INFINITY)
    throw new ValidationError(`depth is a whole number of steps from 0, or Infinity, not ${String(depth)}`, { path: 'depth' })
}

/** Whether the class has further columns than are stored. Errors: SchemaMismatchError when its columns do not go on from those. */
export function gainsColumns(code: TableColumns, stored: TableColumns, field: string): boolean {
  const how = compareColumns(code, stored)
  if (how === 'same') return false
  if (how === 'wider') return true
  const both = `stored ${columnsText(stored)}; class ${columnsText(code)}`
  const fix = 'a class can gain columns that are optional or counters, behind the stored ones; else use another field, or migrate the rows'
  throw new SchemaMismatchError(`the stored columns of ${field} differ from the class's: ${both}; ${fix}`, { field, stored, class: code })
}

/** Whose argument an object is that must not change, and which, from 1; 0 is the object whose method it is. */
export interface ReadOnly {
  readonly task: string
  readonly argument: number
}

export function wrongDirection(what: string, id: string, { task, argument }: ReadOnly): Error {
  const [which, fix] = argument === 0 ? ['its object', "the method's target"] : [`its argument ${argument}`, 'it']
  const message = `${task} changed ${what}, ${which}, which is declared IN: declare ${fix} INOUT, or do not change it`
  return new WrongDirectionError(message, { id, task, argument })
}

export const unsavedBefore = (verb: string, id: string | null): Error =>
  new UnsavedChangesError(`${verb} of ${id}, which has unsaved changes: save() or reload({ discard: true }) first`, { id })

export const twinsChanged = (what: string, id: string): Error =>
  new UnsavedChangesError(
    `the transaction changed two instances of ${what}, the one that it loaded and the program's own, which was saved inside: change one of them`,
    { id },
  )

export const changedTwice = (state: ObjectState): Error =>
  new UnsavedChangesError(
    `the body of transact() ran again after a conflict and may have changed ${nameOf(state)} twice: it is the program's instance, changed by ` +
      `the body itself. Nothing is stored. reload({ discard: true }) it, and change it by update() inside, or get it inside by alias or id`,
    { id: state.ref?.id },
  )

export const afterTheEnd = (what: string): Error =>
  new UnsupportedError(`${what} came after the end of its task or transaction, and would be lost: await everything inside the body`, {
    code: 'ERR_UNIT_ENDED',
  })
