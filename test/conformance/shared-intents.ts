/** Objects on which many rely at once, as on the owner of rows that they write, and from which they are removed all the same. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { ConflictError, InsituError, StorageDict, StorageObject, t, transact } from '../../runtime/index.js'
import type { Backend, Group, Intent, Op, Receipt, Ref } from '../../src/backend.js'
import { newCommitId } from '../../src/ids.js'
import { type Case, type CaseContext, law, type Needs } from './case.js'
import { fieldOf, intent, put, send, standing, thing } from './contract-kit.js'
import { flat, refused } from './expect.js'
import { ForwardingBackend } from './forwarding-backend.js'

class Depot extends StorageObject {
  static readonly typeName = 'insitu/conformance#Depot'
  title = ''
  rows = new StorageDict({ p: t.text, k: t.i32 }, { by: t.i32 })
  sums = new StorageDict({ p: t.text }, { n: t.counter })
}

const sharesIntents: Needs = ({ capabilities }) =>
  capabilities.sharesIntents ? undefined : 'who relies on an object holds it alone here, or needs no intent'

const shared = (home: Ref): Intent => ({ ...intent(home, []), isShared: true })
const removal = (ref: Ref): Intent => intent(ref, [{ do: 'remove', ref, expect: 'present' }])
const reserve = (ref: Ref, left: Intent): Op => ({ do: 'reserve', target: { ref }, expect: 'present', intent: left })
const settle = (ref: Ref, { commit }: Intent, take = true): Op => ({ do: 'settle', target: { ref }, commit, take })
const remove = (ref: Ref): Op => ({ do: 'remove', ref, expect: 'present' })

const commitsOn = async (backend: Backend, ref: Ref): Promise<readonly unknown[]> => {
  const found = (await standing(backend, ref)).intent
  return found ? [found.commit, ...(found.beside ?? []).map(({ commit }) => commit)] : []
}

const met = async (backend: Backend, op: Op): Promise<unknown> =>
  ((await refused(ConflictError, () => send(backend, op))) as ConflictError & { readonly intent?: Intent }).intent?.commit

/** Counts the groups that somebody else's intent refused. */
class CountingBackend extends ForwardingBackend {
  refused = 0
  override async commit(group: Group): Promise<Receipt> {
    try {
      return await super.commit(group)
    } catch (error) {
      if (error instanceof ConflictError && 'intent' in error) this.refused++
      throw error
    }
  }
}

const PARTITIONS = ['a', 'b', 'c', 'd']
const PROGRAMS = 4
const SAVES = 5

function fill(depot: Depot, who: number, nth: number): void {
  for (const p of PARTITIONS) {
    depot.rows.set({ p, k: who * 1000 + nth }, { by: who })
    depot.sums.add({ p }, 'n', 1n)
  }
}

const madeDepot = (ctx: CaseContext, alias: string): Promise<Depot> => {
  const depot = new Depot()
  depot.rows.set({ p: 'a', k: 0 }, { by: 0 })
  depot.sums.add({ p: 'a' }, 'n', 0n)
  return depot.makePersistent(ctx.alias(alias))
}

export const sharedIntents: readonly Case[] = [
  law(
    'I440',
    'intents of those that rely on an object stand together and beside changes; only a removal meets them, and none comes after one',
    async ({ store: { backend }, program }) => {
      const other = (await program()).backend
      const ref = thing()
      await refused(ConflictError, () => send(backend, reserve(ref, shared(ref))))
      await send(backend, put(ref, { v: 1 }))
      const [first, second, late] = [shared(ref), shared(ref), shared(ref)]
      await send(backend, reserve(ref, first))
      await send(other, reserve(ref, second))
      await send(other, reserve(ref, second))
      assert.deepEqual(await commitsOn(backend, ref), [first.commit, second.commit])
      const { stamp } = await standing(other, ref)
      await send(other, put(ref, { v: 2 }, stamp))
      await send(other, { do: 'check', ref, expect: 'present' })
      assert.equal(await met(backend, remove(ref)), first.commit)
      const change = intent(ref, [put(ref, { v: 3 }, (await standing(other, ref)).stamp)])
      await send(other, reserve(ref, change))
      assert.deepEqual(await commitsOn(backend, ref), [change.commit, first.commit, second.commit])
      const third = shared(ref)
      await send(backend, reserve(ref, third))
      assert.equal(await met(backend, { do: 'check', ref, expect: 'present' }), change.commit)
      await send(backend, settle(ref, change))
      await send(backend, settle(ref, third))
      assert.deepEqual(await commitsOn(other, ref), [first.commit, second.commit])
      assert.equal(await fieldOf(other, ref, 'v'), 3)
      const going = removal(ref)
      assert.equal(await met(other, reserve(ref, going)), first.commit)
      await send(other, reserve(ref, { ...going, passesShared: true }))
      assert.equal(await met(backend, reserve(ref, late)), going.commit)
      await send(backend, settle(ref, second, false))
      await send(other, settle(ref, first))
      assert.deepEqual(await commitsOn(backend, ref), [going.commit])
      await send(backend, settle(ref, { ...going, commit: newCommitId() }))
      await send(backend, settle(ref, going))
      assert.deepEqual(await backend.read([ref]), [undefined])
      await refused(ConflictError, () => send(backend, reserve(ref, late)))
    },
    sharesIntents,
  ),

  law(
    'I441',
    'programs that write rows over several partitions of one object at once are never in the way of each other',
    async (ctx) => {
      const depot = await madeDepot(ctx, 'depot')
      const id = depot.getID()!
      const backends: CountingBackend[] = []
      const programs = await Promise.all(
        Array.from({ length: PROGRAMS }, () =>
          ctx.wrapped((inner) => {
            const backend = new CountingBackend(inner)
            backends.push(backend)
            return backend
          }),
        ),
      )
      await Promise.all(
        programs.map((program, who) =>
          program.run(async () => {
            const mine = await Depot.getByID(id)
            for (let nth = 1; nth <= SAVES; nth++) {
              fill(mine, who, nth)
              await mine.save()
            }
          }),
        ),
      )
      assert.deepEqual(
        backends.map(({ refused }) => refused),
        backends.map(() => 0),
      )
      const [rows, sum] = await ctx.other(async () => {
        const found = await Depot.getByID(id)
        return [await found.rows.count(), (await found.sums.get({ p: 'd' }))!.n] as const
      })
      assert.deepEqual([rows, sum], [1 + PROGRAMS * SAVES * PARTITIONS.length, BigInt(PROGRAMS * SAVES)])
    },
    sharesIntents,
  ),

  law('I442', 'an object goes though others never cease to write its rows; they are told, and nothing of it is left', async (ctx) => {
    const depot = await madeDepot(ctx, 'goes')
    const id = depot.getID()!
    const programs = await Promise.all(Array.from({ length: PROGRAMS }, () => ctx.program()))
    let written = 0
    const writers = programs.map((program, who) =>
      program.run(async () => {
        try {
          for (let nth = 1; ; nth++) {
            await transact(async () => fill(await Depot.getByID(id), who, nth))
            written++
            await delay(1) // a store in memory answers without letting anything else go on
          }
        } catch (error) {
          return error
        }
      }),
    )
    while (written < PROGRAMS) await delay(1)
    const { backend } = ctx.store
    const [stored] = await backend.read([(await backend.find([id]))[0]!.ref!])
    await depot.deletePersistent()
    for (const error of await Promise.all(writers)) {
      assert.ok(error instanceof InsituError, String(error))
      assert.ok(['ERR_CONFLICT', 'ERR_NOT_FOUND'].includes(error.code), error.code)
    }
    assert.ok(stored)
    assert.deepEqual(await backend.find([id]), [undefined])
    const intents = backend.upkeep ? await flat(backend.upkeep.intents()) : []
    assert.deepEqual(
      intents.filter(({ target }) => 'ref' in target && target.ref.id === id),
      [],
    )
  }),
]
