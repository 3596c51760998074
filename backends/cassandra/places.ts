/**
 * Partitions that groups commit in. One for each object, one for each alias: in its static columns what stands there, in its rows marks,
 * redo and receipts. A compare-and-set covers one partition of one table, so that all this has to lie together.
 */
import type { Op, Ref, Target } from '../../src/backend.js'
import { InsituError } from '../../src/errors.js'
import { ID } from './class-tables.js'

export const ALIASES = 'insitu_aliases'
export const ALIASES_COLUMNS =
  'alias text, "~part" text, to_id uuid static, to_class text static, "~intent" blob static, "~version" uuid static, "~data" blob, PRIMARY KEY ((alias), "~part")'

export type Place = ObjectPlace | AliasPlace

export interface ObjectPlace {
  readonly kind: 'object'
  readonly ref: Ref
}

export interface AliasPlace {
  readonly kind: 'alias'
  readonly alias: string
}

/** Objects and aliases each lie somewhere; marks and redo where their home lies; rows are no business of places. */
export function placeOf(op: Exclude<Op, { do: 'row' | 'checkRow' | 'add' | 'reserveRow' | 'settleRow' }>): Place {
  switch (op.do) {
    case 'put':
    case 'remove':
    case 'check':
      return objectPlace(op.ref)
    case 'name':
      return { kind: 'alias', alias: op.alias }
    case 'mark':
    case 'forget':
    case 'stage':
      return objectPlace(op.home)
    case 'reserve':
    case 'settle':
      return placeOfTarget(op.target)
    default:
      throw new InsituError(`A group holds an unknown op ${JSON.stringify(op satisfies never)}.`, { code: 'ERR_INTERNAL' })
  }
}

const objectPlace = (ref: Ref): ObjectPlace => ({ kind: 'object', ref })

const placeOfTarget = (target: Target): Place => ('ref' in target ? objectPlace(target.ref) : { kind: 'alias', alias: target.alias })

export const nameOfPlace = (place: Place): string => (place.kind === 'object' ? `o ${place.ref.id}` : `a ${place.alias}`)

/** Names of rows in a partition. */
export const PART = {
  /** Always there while anything is, so that one read finds the static columns without looking at other rows. */
  anchor: '',
  receipt: (commit: string): string => `receipt/${commit}`,
  mark: (key: string): string => `mark/${key}`,
  redo: (commit: string): string => `redo/${commit}`,
} as const

export const MARK_PREFIX = 'mark/'

/** The column that a place's partitions are keyed by. */
export const keyColumn = (place: Place): string => (place.kind === 'object' ? ID : 'alias')

/** An empty text is no key of Cassandra's: those made of zero characters alone have one more. */
export const keyText = (text: string): string => (isZeros(text) ? `${text}\0` : text)

export const textOfKey = (key: string): string => (isZeros(key) ? key.slice(1) : key)

const isZeros = (text: string): boolean => (text.charCodeAt(0) !== 0 ? text === '' : [...text].every((one) => one === '\0'))
