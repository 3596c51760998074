/** Names of the databases in the file. */
export const DATABASES = {
  /** The format, the owner, tables being dropped. */
  meta: 'meta',
  objects: 'objects',
  names: 'names',
  namesByObject: 'names-by-object',
  /** One entry for several objects: class-index.ts. */
  objectsByClass: 'objects-by-class',
  classes: 'classes',
  tables: 'tables',
  rows: 'rows',
  /** Removed rows by time. */
  graves: 'graves',
  marks: 'marks',
  staged: 'staged',
  receipts: 'receipts',
  /** Heads, producers, items and groups of streams. */
  streams: 'streams',
} as const

export type DatabaseName = keyof typeof DATABASES
