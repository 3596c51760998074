export type FindingKind =
  /** A page of the file. */
  | 'page'
  /** A record whose bytes are not those that were written. */
  | 'record'
  /** A record without its index entry, or the other way round. */
  | 'index'
  /** The file ends the process of who reads it by LMDB. */
  | 'reader'
  /** Something that leads nowhere. No damage of the file: its target was deleted, or lies in what is damaged. */
  | 'reference'

export interface Finding {
  readonly kind: FindingKind
  /** Names what is concerned, as errors do. */
  readonly what: string
  readonly how: string
}

export const isDamage = ({ kind }: Finding): boolean => kind !== 'reference'

export type OnFinding = (finding: Finding) => void
