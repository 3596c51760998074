/** Rows that exclude each other: intents on rows of the bare backend, and units that write such a row beside writers of nothing else. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { StorageDict, StorageObject, t, transact } from '../../runtime/index.js'
import type { Backend, Intent, Key, Op, Table } from '../../src/backend.js'
import { ConflictError } from '../../src/errors.js'
import { newCommitId } from '../../src/ids.js'
import { type Case, type CaseContext, law, type Needs } from './case.js'
import { add, group, send, tableOn, thing } from './contract-kit.js'
import { flat, refused } from './expect.js'
import { InterruptedBackend } from './faulty-backend.js'
import { Counter } from './model.js'

class Shelf extends StorageObject {
  static readonly typeName = 'insitu/conformance#Shelf'
  guarded = new StorageDict({ k: t.text }, { v: t.i64 }, { writes: 'cas' })
  counted = new StorageDict({ k: t.text }, { v: t.i64, hits: t.counter }, { writes: 'cas' })
}

const KEY: Key = ['p', 1n]

const reservesRows: Needs = ({ capabilities }) =>
  capabilities.reservesRows ? undefined : 'rows that exclude each other lie where their owner does, and take no intents'

const intentOf = (): Intent => ({ commit: newCommitId(), home: thing(), redo: [], leaseUntilMs: Date.now() + 60_000 })
const reserve = ({ id }: Table, expect: bigint | null, intent: Intent): Op => ({ do: 'reserveRow', table: id, key: KEY, expect, intent })
const reserveAny = ({ id }: Table, intent: Intent): Op => ({ do: 'reserveRow', table: id, key: KEY, intent })
const settle = ({ id }: Table, { commit }: Intent): Op => ({ do: 'settleRow', table: id, key: KEY, commit })
const write = ({ id }: Table, n: bigint, more: Partial<Extract<Op, { do: 'row' }>> = {}): Op => ({
  do: 'row',
  table: id,
  key: KEY,
  set: [n, undefined, undefined],
  ...more,
})

const found = async (backend: Backend, { id }: Table): Promise<{ readonly n: unknown; readonly at: bigint | null }> => {
  const [row] = await backend.rows(id, [KEY])
  return { n: row?.values[0], at: row?.atMicros ?? null }
}

const failureOf = (work: () => Promise<unknown>): Promise<unknown> =>
  work().then(
    () => undefined,
    (error: unknown) => error,
  )

/** How often an interrupted unit is begun at most: it has no more calls that commit. */
const CALLS = 6
/** Whoever is in the way of the other waits for it, so that they are not waited for longer than that. */
const HEAD_START_MS = 100

/** A unit that counts a row and an object up, and another program that has read the row and counts it up alone at some point of it. */
async function interrupted(ctx: CaseContext, nth: number): Promise<void> {
  let backend: InterruptedBackend | undefined
  const store = await ctx.wrapped((inner) => (backend = new InterruptedBackend(inner)))
  const { shelf, counter } = await ctx.other(async () => {
    const made = new Shelf()
    made.guarded.set({ k: 'x' }, { v: 0n })
    return { shelf: (await made.makePersistent()).getID()!, counter: (await new Counter().makePersistent()).getID()! }
  })
  const other = await ctx.program()
  const held = await other.run(async () => {
    const { guarded } = await Shelf.getByID(shelf)
    await guarded.get({ k: 'x' })
    return guarded
  })
  let alone: Promise<unknown> | undefined
  backend!.interrupt = async () => {
    alone = other.run(() => failureOf(() => countUp(held).then(() => held.save())))
    await Promise.race([alone, delay(HEAD_START_MS)])
  }
  const together = await store.run(async () => {
    backend!.before = nth
    const failed = failureOf(() =>
      transact(
        async () => {
          await countUp((await Shelf.getByID(shelf)).guarded)
          ;(await Counter.getByID(counter)).n++
        },
        { retries: 0 },
      ),
    )
    return failed.finally(() => {
      backend!.before = Number.POSITIVE_INFINITY
    })
  })
  const wasInterrupted = alone !== undefined
  const failures = [await alone, together].filter((error) => error !== undefined)
  for (const error of failures) assert.ok(error instanceof ConflictError, String(error))
  const [row, n] = await ctx.other(async () => [
    await (await Shelf.getByID(shelf)).guarded.get({ k: 'x' }),
    (await Counter.getByID(counter)).n,
  ])
  assert.deepEqual([row, n], [{ v: BigInt((wasInterrupted ? 2 : 1) - failures.length) }, together ? 0 : 1], `before call ${nth}`)
}

async function countUp(rows: Shelf['guarded']): Promise<void> {
  const row = await rows.get({ k: 'x' })
  rows.set({ k: 'x' }, { v: row!.v + 1n })
}

export const rowIntents: readonly Case[] = [
  law(
    'B77',
    'an intent on a row keeps other writers away and shows in no read, until it is given up or its own row comes',
    async ({ store: { backend }, program }) => {
      const table = await tableOn(backend, 'cas')
      const other = (await program()).backend
      const [first, second] = [intentOf(), intentOf()]
      await send(backend, reserve(table, null, first))
      await send(other, reserve(table, null, first))
      assert.deepEqual(await flat(backend.scan({ in: table.id })), [])
      for (const op of [
        write(table, 1n),
        write(table, 1n, { expect: null }),
        write(table, 1n, { ends: second.commit }),
        reserve(table, null, second),
      ]) {
        const error = (await refused(ConflictError, () => send(other, op))) as ConflictError & { readonly intent?: Intent }
        assert.equal(error.intent?.commit, first.commit)
      }
      await send(backend, settle(table, second))
      await refused(ConflictError, () => send(backend, write(table, 1n)))
      await send(backend, settle(table, first), add(table.id, KEY, 2, 4n))
      await send(backend, settle(table, first))
      await send(other, write(table, 1n, { expect: (await found(other, table)).at }))
      const { at } = await found(backend, table)
      await refused(ConflictError, () => send(backend, reserve(table, at! - 1n, second)))
      await send(backend, reserve(table, at, second))
      assert.deepEqual(await found(other, table), { n: 1n, at })
      const own = group([write(table, 2n, { ends: second.commit })], undefined, 1n) // by a clock far behind
      await backend.commit(own)
      const now = await found(other, table)
      assert.equal(now.n, 2n)
      await send(other, write(table, 3n, { expect: now.at }))
      await send(backend, reserveAny(table, first))
      await refused(ConflictError, () => send(other, reserveAny(table, second)))
      await send(backend, settle(table, first))
      await backend.commit(own)
      await backend.commit({ ...own, commit: newCommitId() })
      assert.equal((await found(backend, table)).n, 3n)
    },
    reservesRows,
  ),

  law('I193', 'a row and an object that commit together are not mixed up with who writes the row alone, at any moment', async (ctx) => {
    for (let nth = 0; nth <= CALLS; nth++) await interrupted(ctx, nth)
  }),

  law(
    'I194',
    'a transaction over objects and rows removes such a row and writes it anew, and writes one that it has not read',
    async (ctx) => {
      const [shelf, counter] = [new Shelf(), new Counter()]
      shelf.counted.set({ k: 'x' }, { v: 1n })
      shelf.counted.add({ k: 'x' }, 'hits', 5n)
      await shelf.makePersistent()
      await counter.makePersistent()
      for (const v of [2n, 3n])
        await transact(async () => {
          const { counted, guarded } = await Shelf.getByID(shelf.getID()!)
          await counted.get({ k: 'x' })
          counted.delete({ k: 'x' })
          counted.set({ k: 'x' }, { v })
          counted.add({ k: 'x' }, 'hits', 1n)
          guarded.set({ k: 'unread' }, { v })
          ;(await Counter.getByID(counter.getID()!)).n++
        })
      const seen = await ctx.other(async () => {
        const { counted, guarded } = await Shelf.getByID(shelf.getID()!)
        return [await counted.get({ k: 'x' }), await guarded.get({ k: 'unread' }), (await Counter.getByID(counter.getID()!)).n]
      })
      assert.deepEqual(seen, [{ v: 3n, hits: 1n }, { v: 3n }, 2])
      const { counted } = await Shelf.getByID(shelf.getID()!)
      await counted.get({ k: 'x' })
      counted.set({ k: 'x' }, { v: 4n })
      await counted.save()
      assert.equal((await ctx.other(async () => (await Shelf.getByID(shelf.getID()!)).counted.get({ k: 'x' })))?.v, 4n)
    },
  ),
]
