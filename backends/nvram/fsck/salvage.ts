/**
 * A new store out of what can still be read of a damaged one. Records are copied as they are, with their checksums; indexes are made
 * anew; tables whose own record is damaged come from the description in their owner. Leaves that hang on no tree any more, because a
 * page above them is damaged, are searched for what they hold. The new store is nobody's until somebody opens it (owner.ts).
 */
import type { ClassId, Id, TableId } from '../../../src/ids.js'
import { readUuid } from '../../../src/ids.js'
import { fillNewFolder } from '../../../src/new-folder.js'
import { finishCopy } from '../backup.js'
import type { DatabaseName } from '../databases.js'
import { DiskRoom } from '../disk-room.js'
import { type Environment, openEnvironment } from '../environment.js'
import { aliasOf, classByName, classByNumber, classObjectKey, idKey, objectAliasKey, tableIn } from '../keys.js'
import type { NvramConfig } from '../nvram-config.js'
import { FORMAT_KEY, markNow } from '../owner.js'
import { FILE_FORMAT, sealValue } from '../record.js'
import type { Records } from '../records.js'
import { checkRecord, soundAlias, soundObject, soundRow, soundTable } from './records.js'
import { quiet, reasonOf, type Survey } from './survey.js'

/** Records written in one transaction. */
const BATCH = 2000
const PRESENT = Uint8Array.of(1)
/** Indexes and classes are made anew, traces of removed rows are of use for an hour only. */
const COPIED: readonly DatabaseName[] = ['objects', 'names', 'tables', 'rows', 'marks', 'staged', 'receipts', 'streams']

/** In this order: an object needs its class, a row its table. */
const STRAYS: readonly (readonly DatabaseName[])[] = [['classes'], ['objects', 'tables', 'names'], ['rows']]

export type Salvaged = Partial<Record<DatabaseName, number>>

/** The folder gets its name when all that can be saved is in it: half of it would pass for all. */
export async function salvage(survey: Survey, config: NvramConfig, to: string): Promise<Salvaged> {
  let saved: Salvaged = {}
  await fillNewFolder(to, async (half) => {
    saved = await saveInto(half, survey)
    await finishCopy(half, config)
  })
  return saved
}

async function saveInto(folder: string, survey: Survey): Promise<Salvaged> {
  const env = await openEnvironment(folder)
  const room = new DiskRoom(env, folder)
  try {
    return new Salvage(survey, env, room).run()
  } finally {
    room.close()
    await env.file.close()
  }
}

class Salvage {
  readonly #counts: Salvaged = {}
  readonly #survey: Survey
  readonly #env: Environment
  readonly #room: DiskRoom
  #waiting: (() => void)[] = []
  #waitingBytes = 0

  constructor(survey: Survey, env: Environment, room: DiskRoom) {
    this.#survey = survey
    this.#env = env
    this.#room = room
  }

  run(): Salvaged {
    const { meta } = this.#env
    this.#put(meta, FORMAT_KEY, Buffer.from(String(FILE_FORMAT)))
    for (const [number, name] of this.#survey.classes) this.#class(number, name)
    for (const database of COPIED) for (const [key, value] of this.#survey.entries(database, quiet)) this.#copy(database, key, value)
    this.#flush()
    this.#strays()
    for (const [id, table] of this.#survey.described) this.#describe(id, table)
    this.#flush()
    return this.#counts
  }

  #class(number: number, name: ClassId): void {
    const [byNumber, byName] = [classByNumber(number), classByName(name)]
    this.#put(this.#env.classes, byNumber, Buffer.from(sealValue(byNumber, name)))
    this.#put(this.#env.classes, byName, Buffer.from(sealValue(byName, number)))
  }

  #describe(id: TableId, table: object): void {
    const key = idKey(id)
    if (this.#env.tables.look(key)) return
    this.#put(this.#env.tables, key, Buffer.from(sealValue(key, table)))
    this.#counted('tables')
  }

  /** Gives whether the record was sound. */
  #copy(database: DatabaseName, key: Buffer, value: Buffer): boolean {
    try {
      this.#index(database, key, value)
    } catch (error) {
      reasonOf(error)
      return false
    }
    const [at, sealed] = database === 'marks' ? markNow(key, value) : [key, value]
    this.#put(this.#env[database] as Records, at, sealed)
    this.#counted(database)
    return true
  }

  /** Throws what is wrong with the record; else makes its index entries. */
  #index(database: DatabaseName, key: Buffer, value: Buffer): void {
    const { objectsByClass, namesByObject } = this.#env
    if (database === 'objects') {
      const { open } = soundObject(key, value)
      if (!open.stamp) return
      if (!this.#survey.classes.has(open.classNumber)) this.#class(open.classNumber, `insitu#lost-${open.classNumber}` as ClassId)
      this.#put(objectsByClass, classObjectKey(open.classNumber, readUuid(key, 0) as Id), PRESENT)
    } else if (database === 'names') {
      const { to } = soundAlias(key, value)
      if (to) this.#put(namesByObject, objectAliasKey(to.id, aliasOf(key)), PRESENT)
    } else if (database === 'rows') soundRow(key, value, this.#survey.tables.get(tableIn(key)) ?? this.#survey.described.get(tableIn(key)))
    else if (database === 'tables') soundTable(key, value)
    else checkRecord(database, key, value)
  }

  /**
   * Leaves that nothing leads to and that were not given back either. Whose they are, their contents say: the checksum of a record
   * covers its key. The newest come first, since what stands already is not written over. Where the list of free pages is lost as well,
   * nobody can tell what was lost from what was deleted: then some of that comes back.
   */
  #strays(): void {
    const { file, used } = this.#survey
    const free = file.freePages(file.newest, quiet)
    const leaves: { readonly page: number; readonly txn: bigint }[] = []
    for (let page = 2; page < file.pages; page++) {
      const txn = used.has(page) || free.has(page) ? undefined : file.leafTxn(page)
      if (txn !== undefined) leaves.push({ page, txn })
    }
    leaves.sort((a, b) => (a.txn > b.txn ? -1 : 1))
    for (const kinds of STRAYS)
      for (const { page } of leaves) {
        for (const { key, value } of file.strays(page)) this.#adopt(kinds, key, value)
        this.#flush()
      }
  }

  #adopt(kinds: readonly DatabaseName[], key: Buffer, value: Buffer): void {
    for (const database of kinds) {
      if (!this.#mayBe(database, key) || (this.#env[database] as Records).look(key)) continue
      try {
        this.#survey.note(database, key, value)
      } catch (error) {
        reasonOf(error)
        continue
      }
      if (database === 'classes' ? this.#adoptClass(key) : this.#copy(database, key, value)) return
    }
  }

  #adoptClass(key: Buffer): boolean {
    const number = key.readUInt32BE(1)
    this.#class(number, this.#survey.classes.get(number)!)
    return true
  }

  #mayBe(database: DatabaseName, key: Buffer): boolean {
    if (database === 'classes') return key.length === 5 && key[0] === 0
    if (database === 'objects' || database === 'tables') return key.length === 16
    if (database === 'names') return key[0] === 1
    return key.length > 16 && (this.#survey.tables.has(tableIn(key)) || this.#survey.described.has(tableIn(key)))
  }

  #counted(database: DatabaseName): void {
    this.#counts[database] = (this.#counts[database] ?? 0) + 1
  }

  #put(records: Records, key: Uint8Array, value: Uint8Array): void {
    this.#waiting.push(() => records.put(key, value))
    this.#waitingBytes += key.length + value.length
    if (this.#waiting.length >= BATCH) this.#flush()
  }

  #flush(): void {
    const [batch, bytes] = [this.#waiting, this.#waitingBytes]
    this.#waiting = []
    this.#waitingBytes = 0
    this.#env.transactions.write(() => {
      for (const write of batch) write()
      this.#room.require(batch.length, bytes)
    })
  }
}
