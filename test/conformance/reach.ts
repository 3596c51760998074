import assert from 'node:assert/strict'
import { inspect } from 'node:util'
import { StorageDict, StorageObject, t, transact } from '../../runtime/index.js'
import { NotFoundError, NotLoadedError, UnsupportedError } from '../../src/errors.js'
import { type Case, law } from './case.js'
import { refused } from './expect.js'

class Knot extends StorageObject {
  static readonly typeName = 'insitu/conformance#Knot'
  name = ''
  next: Knot[] = []
  rows = new StorageDict({ k: t.text }, { to: t.ref(() => Knot) })
}

const knot = (name: string): Knot => Object.assign(new Knot(), { name })

/** What objects lead to: loaded along, and deleted along. */
export const reach: readonly Case[] = [
  law('I147', 'deleting deep takes cycles along, and what rows lead to', async (ctx) => {
    const [root, a, b, row, behind] = ['root', 'a', 'b', 'row', 'behind'].map(knot) as [Knot, Knot, Knot, Knot, Knot]
    root.next = [a]
    a.next = [b, root]
    b.next = [a]
    row.next = [behind]
    root.rows.set({ k: 'row' }, { to: row })
    await root.makePersistent(ctx.alias('root'))
    const gone = [root, a, b, row, behind].map((o) => o.getID()!)
    await ctx.other(async () => (await Knot.getByAlias(ctx.alias('root'))).deletePersistent({ deep: true }))
    for (const id of gone) await ctx.other(() => refused(NotFoundError, () => Knot.getByID(id)))
  }),

  law('I148', 'deleting deep leaves what has a name, what fields or rows of others lead to, and all behind that', async (ctx) => {
    const [root, named, behindNamed, held, inRow, behindRow, own] = ['root', 'named', '>named', 'held', 'in row', '>row', 'own'].map(
      knot,
    ) as [Knot, Knot, Knot, Knot, Knot, Knot, Knot]
    root.next = [named, held, inRow, own]
    named.next = [behindNamed, own]
    inRow.next = [behindRow]
    held.next = [root]
    own.next = [own]
    const other = knot('other')
    other.next = [held]
    other.rows.set({ k: 'x' }, { to: inRow })
    await root.makePersistent()
    await named.makePersistent(ctx.alias('named'))
    await other.makePersistent(ctx.alias('other'))
    const ids = [named, behindNamed, held, inRow, behindRow, own].map((o) => o.getID()!)
    const rootId = root.getID()!
    await root.deletePersistent({ deep: true })
    await ctx.other(async () => {
      const names = await Promise.all(ids.map(async (id) => (await Knot.getByID(id)).name))
      assert.deepEqual(names, ['named', '>named', 'held', 'in row', '>row', 'own'])
      const { to } = (await (await Knot.getByAlias(ctx.alias('other'))).rows.get({ k: 'x' }))!
      assert.equal(to.name, 'in row')
      await refused(NotFoundError, () => Knot.getByID(rootId))
    })
  }),

  law('I566', 'deleting deep inside a transaction is refused, and takes nothing', async (ctx) => {
    const [root, next] = ['root', 'next'].map(knot) as [Knot, Knot]
    root.next = [next]
    await root.makePersistent()
    const [id, nextId] = [root.getID()!, next.getID()!]
    const error = await refused(UnsupportedError, () =>
      transact(async () => {
        const found = await Knot.getByID(id)
        found.name = 'changed'
        await found.deletePersistent({ deep: true })
      }),
    )
    assert.match(error.message, /main program/)
    await ctx.other(async () => {
      assert.equal((await Knot.getByID(id)).name, 'root')
      assert.equal((await Knot.getByID(nextId)).name, 'next')
    })
  }),

  law('I149', 'depth goes on behind objects that are in memory already, through cycles, each object once', async (ctx) => {
    const ring = ['0', '1', '2', '3', '4'].map(knot)
    ring.forEach((one, i) => {
      one.next = [ring[(i + 1) % ring.length]!]
    })
    await ring[0]!.makePersistent(ctx.alias('ring'))
    const walk = (from: Knot, steps: number): string => {
      let at = from
      let names = at.name
      for (let i = 0; i < steps; i++) {
        at = at.next[0]!
        names += at.name
      }
      return names
    }
    await ctx.other(async () => {
      const first = await Knot.getByAlias(ctx.alias('ring'), { depth: 1 })
      assert.equal(walk(first, 1), '01')
      await refused(NotLoadedError, () => walk(first, 2))
      const again = await Knot.getByAlias(ctx.alias('ring'), { depth: 3 })
      assert.equal(again, first)
      assert.equal(walk(first, 3), '0123')
      await Knot.getByAlias(ctx.alias('ring'), { depth: 1000 })
      assert.equal(walk(first, 11), '012340123401')
    })
  }),

  law('I513', 'a field of a handle is not loaded also where it has a name that printers look for', async (ctx) => {
    class Measured extends StorageObject {
      static readonly typeName = 'insitu/conformance#Measured'
      length = 5
      href = ''
      next: Measured | null = null
    }
    const o = new Measured()
    o.next = new Measured()
    await o.makePersistent()
    await ctx.other(async () => {
      const { next } = await Measured.getByID(o.getID()!)
      await refused(NotLoadedError, () => next!.length)
      assert.match(inspect(next), /Measured/)
      assert.equal(await Promise.resolve(next), next)
      await next!.load()
      assert.equal(next!.length, 5)
    })
  }),
]
