import { setImmediate as nextTurn } from 'node:timers/promises'
import { type Intent, type Mark, Ref, type Table, type Target } from '../../src/backend.js'
import { type ClassId, type Id, madeAtMs, readUuid } from '../../src/ids.js'
import type { AliasRecord } from '../memory/space.js'
import type { Environment } from './environment.js'
import { aliasOf, homeOfMark } from './keys.js'
import type { NvramSpace } from './nvram-space.js'
import { mayHaveIntent, openMark, openValue } from './record.js'
import type { Records } from './records.js'

/** Records looked at in one turn of the event loop. */
const PAGE_RECORDS = 512
const FIRST = Uint8Array.of(0)
/** A mark does not keep the class of its home, by which nothing is found here. */
const HOME_CLASS = 'insitu#home' as ClassId

/** Gives the open store, or throws; reads that follow see the last commit. */
export type Fresh = () => { readonly env: Environment; readonly space: NvramSpace }
type ItemOf<T> = (key: Uint8Array, value: Buffer) => T | undefined

/** Pages of a database, each begun behind the last key; pages without items are left out. */
async function* records<T>(fresh: Fresh, of: (env: Environment) => Records, itemOf: ItemOf<T>): AsyncGenerator<readonly T[], void, void> {
  let from: { start: Uint8Array; exclusiveStart?: boolean } = { start: FIRST }
  for (;;) {
    const { env } = fresh()
    const items: T[] = []
    let looked = 0
    let last: Uint8Array = FIRST
    // The keys first: what looks at a record reads others, which would take the value's place in lmdb's one buffer.
    for (const key of of(env).keys({ ...from, limit: PAGE_RECORDS })) {
      const value = of(env).get(key)
      const item = value && itemOf(key, value)
      if (item !== undefined) items.push(item)
      looked++
      last = key
    }
    if (items.length > 0) yield items
    if (looked < PAGE_RECORDS) return
    from = { start: last, exclusiveStart: true }
    await nextTurn()
  }
}

const uuidOf = (key: Uint8Array): string => readUuid(key, 0)

export const tablesOf = (fresh: Fresh): AsyncGenerator<readonly Table[], void, void> =>
  records(
    fresh,
    (env) => env.tables,
    (key, value) => openValue(key, value, () => `Table ${uuidOf(key)}`) as Table,
  )

export const marksBefore = (
  fresh: Fresh,
  beforeMs: number,
): AsyncGenerator<readonly { readonly home: Ref; readonly mark: Mark }[], void, void> =>
  records(
    fresh,
    (env) => env.marks,
    (key, value) => {
      const home = homeOfMark(key)
      const mark = openMark(key, value, () => `A mark at ${home}`)
      return madeAtMs(mark.attempt) < beforeMs ? { home: new Ref(home, HOME_CLASS), mark } : undefined
    },
  )

type Found = { readonly target: Target; readonly intent: Intent }

export async function* intentsOf(fresh: Fresh): AsyncGenerator<readonly Found[], void, void> {
  yield* records(
    fresh,
    (env) => env.objects,
    (key, value) => {
      if (!mayHaveIntent(value)) return undefined
      const record = fresh().space.objectHead(uuidOf(key) as Id)?.record
      return record?.intent && { target: { ref: record.ref }, intent: record.intent }
    },
  )
  yield* records(
    fresh,
    (env) => env.names,
    (key, value) => {
      const alias = aliasOf(key)
      const { intent } = openValue(key, value, () => `Alias ${JSON.stringify(alias)}`) as unknown as AliasRecord
      return intent && { target: { alias }, intent }
    },
  )
}
