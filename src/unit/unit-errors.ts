import { NotFoundError, SchemaMismatchError, UnsupportedError } from '../errors.js'
import { isIdText } from '../ids.js'
import { constructorOfInstance } from '../objects/fields.js'
import type { ObjectState } from '../objects/object-state.js'

export const nameOf = (state: ObjectState): string => `${constructorOfInstance(state.instance).name}${state.ref ? ` ${state.ref.id}` : ''}`

export const noVersionsHere = (): Error =>
  new UnsupportedError('versions are made and consolidated in the main program, not inside a task or transaction', {
    code: 'ERR_NO_VERSIONS',
  })

export const noReplicas = (url: string): Error =>
  new UnsupportedError(`${url} keeps no further copies: read the object where it is`, { code: 'ERR_NO_REPLICAS' })

export function notFound(id: string, url: string): Error {
  return new NotFoundError(`no object has the id ${id} in ${url}`, { id })
}

export function assertId(id: unknown): void {
  if (!isIdText(id))
    throw new NotFoundError(`${String(id).slice(0, 60)} is not an id (a uuid in lower case); look names up with getByAlias`, { id })
}

export function assertSameColumns(code: object, stored: object, where: string): void {
  const [a, b] = [JSON.stringify(code), JSON.stringify(stored)]
  if (a !== b)
    throw new SchemaMismatchError(
      `the stored columns of ${where} differ from the class's: stored ${b}, class ${a}; use another field or migrate the rows`,
      {
        field: where,
      },
    )
}
