import type { Cell, Ref, Table } from '../../../src/backend.js'
import { UnsupportedError } from '../../../src/errors.js'
import { type ClassId, type Id, readUuid, type TableId } from '../../../src/ids.js'
import { idsOf } from '../class-index.js'
import { DATABASES, type DatabaseName } from '../databases.js'
import { aliasOf, aliasOfObject, classNumberOf, tableIn } from '../keys.js'
import { DROP_PREFIX } from '../table-drop.js'
import type { OnFinding } from './finding.js'
import type { OnDamage, PageFile, Tree } from './page-file.js'
import { checkRecord, nameOf, refsOf, soundAlias, soundClass, soundObject, soundRow, soundTable, tablesIn, valuesOf } from './records.js'

/** Classes and tables first: what follows is checked against them. */
const ORDER: readonly DatabaseName[] = [
  'meta',
  'classes',
  'tables',
  'objects',
  'names',
  'objectsByClass',
  'namesByObject',
  'rows',
  'graves',
  'marks',
  'staged',
  'receipts',
  'streams',
]

/** A file that was last opened by an earlier version has none. */
const LATER: DatabaseName = 'streams'

/** What a file holds, as far as it can be read. Ids, not contents: a store may be larger than memory. */
export class Survey {
  readonly classes = new Map<number, ClassId>()
  readonly tables = new Map<TableId, Table>()
  /** Tables as their owners describe them, should their own records be damaged. */
  readonly described = new Map<TableId, Table>()
  /** Class numbers of objects; 0 for an intent to make one. */
  readonly objects = new Map<Id, number>()
  readonly aliases = new Map<string, Id | null>()
  readonly counts: Partial<Record<DatabaseName, number>> = {}
  readonly #dropped = new Set<TableId>()
  readonly #byClass = new Map<Id, number>()
  readonly #byObject = new Set<string>()
  readonly #trees: ReadonlyMap<string, Tree>

  constructor(
    readonly file: PageFile,
    readonly onFinding: OnFinding,
  ) {
    this.#trees = new Map(file.trees(file.newest, this.onDamage))
    for (const [name, stored] of Object.entries(DATABASES))
      if (!this.#trees.has(stored) && name !== LATER) onFinding({ kind: 'page', what: `Database ${name}`, how: 'it is missing' })
  }

  readonly onDamage: OnDamage = (page, tree, how) => this.onFinding({ kind: 'page', what: `Page ${page} (${tree})`, how })

  /** Pages that something leads to. */
  used: ReadonlySet<number> = new Set()

  /** Reads everything once: pages, headers, checksums, contents. Errors: UnsupportedError for a file of another format. */
  readAll(): void {
    for (const database of ORDER)
      for (const [key, value] of this.entries(database, this.onDamage))
        try {
          this.note(database, key, value)
          this.counts[database] = (this.counts[database] ?? 0) + 1
        } catch (error) {
          // Of another format nothing can be said at all.
          if (database === 'meta' && error instanceof UnsupportedError) throw error
          this.onFinding({ kind: 'record', what: nameOf(database, key), how: reasonOf(error) })
        }
    this.file.freePages(this.file.newest, this.onDamage)
    this.used = new Set(this.file.used)
    // Whoever walks a tree again meets its pages again.
    this.file.used.clear()
  }

  *entries(database: DatabaseName, onDamage: OnDamage): Generator<readonly [key: Buffer, value: Buffer], void, void> {
    const tree = this.#trees.get(DATABASES[database])
    if (tree) for (const { key, value } of this.file.entries(tree, database, onDamage)) yield [key, value]
  }

  /** Takes a sound record in; throws what is wrong with another. */
  note(database: DatabaseName, key: Buffer, value: Buffer): void {
    switch (database) {
      case 'classes':
        return this.#noteClass(key, soundClass(key, value))
      case 'tables':
        return void this.tables.set(readUuid(key, 0) as TableId, soundTable(key, value))
      case 'objects':
        return this.#noteObject(key, value)
      case 'names':
        return void this.aliases.set(aliasOf(key), soundAlias(key, value).to?.id ?? null)
      case 'rows':
        return void soundRow(key, value, this.#tableOf(key))
      default:
        checkRecord(database, key, value)
    }
    if (database === 'objectsByClass') for (const id of idsOf(key, value)) this.#byClass.set(id, classNumberOf(key))
    if (database === 'namesByObject') this.#byObject.add(`${readUuid(key, 0)} ${aliasOfObject(key)}`)
    if (database === 'meta' && key.length === DROP_PREFIX.length + 16 && key.subarray(0, DROP_PREFIX.length).equals(DROP_PREFIX))
      this.#dropped.add(readUuid(key, DROP_PREFIX.length) as TableId)
  }

  #tableOf(key: Buffer): Table | undefined {
    return key.length < 16 ? undefined : (this.tables.get(tableIn(key)) ?? this.described.get(tableIn(key)))
  }

  #noteClass(key: Buffer, value: string | number): void {
    if (typeof value === 'string') this.classes.set(key.readUInt32BE(1), value as ClassId)
    // Long names stand there by their digest, which begins with a byte that no name has.
    else if (!this.classes.has(value) && key[1] !== 1) this.classes.set(value, key.subarray(1).toString() as ClassId)
  }

  #noteObject(key: Buffer, value: Buffer): void {
    const id = readUuid(key, 0) as Id
    const { open, cells } = soundObject(key, value)
    for (const table of tablesIn(id, cells)) this.described.set(table.id, table)
    refsOf(cells)
    this.objects.set(id, open.stamp ? open.classNumber : 0)
    if (!this.classes.has(open.classNumber))
      this.onFinding({ kind: 'index', what: nameOf('objects', key), how: `its class, number ${open.classNumber}, has no name` })
  }

  // ---- what leads to what

  /** What reading one record at a time cannot see. */
  compare(): void {
    this.#compareIndexes()
    for (const [key, value] of this.entries('objects', quiet))
      this.#ignoringDamage(() => this.#leads(nameOf('objects', key), refsOf(soundObject(key, value).cells)))
    for (const [key, value] of this.entries('rows', quiet)) this.#ignoringDamage(() => this.#compareRow(key, value))
    this.file.used.clear()
    for (const [alias, id] of this.aliases)
      if (id !== null && !this.objects.get(id)) this.#nowhere(`Alias ${JSON.stringify(alias)}`, `it names object ${id}, which is not there`)
    for (const { id, owner } of this.tables.values())
      if (!this.objects.get(owner.id)) this.#nowhere(`Table ${id}`, `its owner ${owner.id} is not there`)
  }

  #compareIndexes(): void {
    const wrong = (what: string, how: string): void => this.onFinding({ kind: 'index', what, how })
    for (const [id, number] of this.objects)
      if (number !== (this.#byClass.get(id) ?? 0)) wrong(`Object ${id}`, 'it is not listed under its class')
    for (const id of this.#byClass.keys()) if (!this.objects.get(id)) wrong(`Object ${id}`, 'it is listed under a class, and is not there')
    const named = new Set<string>()
    for (const [alias, id] of this.aliases) if (id !== null) named.add(`${id} ${alias}`)
    for (const entry of named)
      if (!this.#byObject.has(entry)) wrong(`Alias ${JSON.stringify(entry.slice(37))}`, 'its object does not list it')
    for (const entry of this.#byObject)
      if (!named.has(entry))
        wrong(`Object ${entry.slice(0, 36)}`, `it lists the alias ${JSON.stringify(entry.slice(37))}, which does not name it`)
  }

  #compareRow(key: Buffer, value: Buffer): void {
    const table = this.#tableOf(key)
    if (table) this.#leads(nameOf('rows', key), refsOf(new Map(compounds(valuesOf(soundRow(key, value, table))))))
    else if (!this.#dropped.has(tableIn(key))) this.#nowhere(nameOf('rows', key), 'its table is not there')
  }

  #leads(what: string, refs: readonly Ref[]): void {
    for (const { id } of refs) if (!this.objects.get(id)) this.#nowhere(what, `it refers to object ${id}, which is not there`)
  }

  #nowhere(what: string, how: string): void {
    this.onFinding({ kind: 'reference', what, how })
  }

  /** Damaged records have been told of. */
  #ignoringDamage(body: () => void): void {
    try {
      body()
    } catch (error) {
      reasonOf(error)
    }
  }
}

export const quiet: OnDamage = () => {}

const compounds = (cells: readonly (Cell | undefined)[]): (readonly [string, Cell])[] =>
  cells.flatMap((cell, i) => (typeof cell === 'object' && cell !== null ? [[String(i), cell] as const] : []))

/** Whatever a reader stumbles over is told, and the check goes on. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
