/** Names that others give, take and move while a program is about to. */
import assert from 'node:assert/strict'
import { AliasTakenError, NotFoundError, StorageDict, StorageObject, type Store, t, transact } from '../../runtime/index.js'
import type { Backend, Found, Group, Op, Receipt } from '../../src/backend.js'
import { type Case, type CaseContext, law } from './case.js'
import { all, refused } from './expect.js'
import { ForwardingBackend } from './forwarding-backend.js'
import { Item } from './model.js'

class Table extends StorageObject {
  static readonly typeName = 'insitu/conformance#NamedTable'
  rows = new StorageDict({ k: t.text }, { v: t.i32 })
}

const item = (text: string): Item => Object.assign(new Item(), { text })

/** Lets others act once, between what it is asked for a name, or staged rows, and what its program makes of the answer. */
class Overtaken extends ForwardingBackend {
  afterFind: (() => Promise<unknown>) | undefined
  afterStaged: (() => Promise<unknown>) | undefined

  override async find(what: Parameters<Backend['find']>[0]): Promise<readonly (Found | undefined)[]> {
    const found = await super.find(what)
    const { afterFind } = this
    this.afterFind = undefined
    await afterFind?.()
    return found
  }

  override async staged(...args: Parameters<Backend['staged']>): Promise<readonly Op[] | undefined> {
    const staged = await super.staged(...args)
    const { afterStaged } = this
    this.afterStaged = undefined
    await afterStaged?.()
    return staged
  }
}

/** A program of which others are faster. */
async function overtaken(ctx: CaseContext): Promise<{ readonly store: Store; readonly backend: Overtaken }> {
  let backend: Overtaken | undefined
  const store = await ctx.wrapped((inner) => (backend = new Overtaken(inner)))
  return { store, backend: backend! }
}

/** Keeps rows back once their unit is decided, as a writer that stands still does. */
class SlowRows extends ForwardingBackend {
  #goOn!: () => void
  readonly #gone = new Promise<void>((go) => {
    this.#goOn = go
  })
  #told!: () => void
  readonly isAtRows = new Promise<void>((told) => {
    this.#told = told
  })
  isOn = false

  goOn(): void {
    this.#goOn()
  }

  override async commit(group: Group): Promise<Receipt> {
    if (this.isOn && group.ops.every(({ do: what }) => what === 'row')) {
      this.#told()
      await this.#gone
    }
    return super.commit(group)
  }
}

export const namesAtOnce: readonly Case[] = [
  law('I450', 'a name that several programs take away at once is taken by one, and the others are told that there is none', async (ctx) => {
    const alias = ctx.alias('taken-away')
    await item('x').makePersistent(alias)
    const stores = await Promise.all([1, 2, 3, 4].map(() => ctx.program()))
    const found = await Promise.all(stores.map((store) => store.run(() => Item.getByAlias(alias))))
    const results = await Promise.allSettled(found.map((o) => o.removeAlias(alias)))
    assert.equal(results.filter(({ status }) => status === 'fulfilled').length, 1)
    for (const r of results) if (r.status === 'rejected') assert.ok(r.reason instanceof NotFoundError, String(r.reason))
  }),

  law('I451', 'who would open what somebody deletes just then stores the own object under the name', async (ctx) => {
    const alias = ctx.alias('opened')
    await ctx.other(() => item('old').makePersistent(alias))
    const { store, backend } = await overtaken(ctx)
    backend.afterFind = () => ctx.other(async () => (await Item.getByAlias(alias)).deletePersistent())
    const made = await store.run(() => item('new').makePersistent(alias, { ifExists: 'open' }))
    assert.equal(made.text, 'new')
    assert.equal(await ctx.other(async () => (await Item.getByAlias(alias)).getID()), made.getID())
  }),

  law('I452', 'who opens what this program has in memory and somebody deletes just then stores the own object', async (ctx) => {
    const alias = ctx.alias('held')
    await ctx.other(() => item('old').makePersistent(alias))
    const { store, backend } = await overtaken(ctx)
    const held = await store.run(() => Item.getByAlias(alias))
    backend.afterFind = () => ctx.other(async () => (await Item.getByAlias(alias)).deletePersistent())
    const made = await store.run(() => item('new').makePersistent(alias, { ifExists: 'open' }))
    assert.notEqual(made.getID(), held.getID())
    assert.equal(await ctx.other(async () => (await Item.getByAlias(alias)).text), 'new')
  }),

  law('I453', 'a persistent object replaces another under a name, however that moves meanwhile', async (ctx) => {
    const alias = ctx.alias('moved')
    await ctx.other(() => item('first').makePersistent(alias))
    const { store, backend } = await overtaken(ctx)
    const own = await store.run(() => item('own').makePersistent())
    backend.afterFind = () => ctx.other(() => item('second').makePersistent(alias, { ifExists: 'replace' }))
    await store.run(() => own.makePersistent(alias, { ifExists: 'replace' }))
    assert.equal(await ctx.other(async () => (await Item.getByAlias(alias)).getID()), own.getID())
  }),

  law('I454', 'who comes second to a free name is told by whom it is held, as who comes later', async (ctx) => {
    const { store, backend } = await overtaken(ctx)
    const own = await store.run(() => item('own').makePersistent())
    const claims: Record<string, () => Promise<unknown>> = {
      new: () => item('x').makePersistent(ctx.alias('new')),
      further: () => own.addAlias(ctx.alias('further')),
    }
    for (const [name, claim] of Object.entries(claims)) {
      let by: unknown
      backend.afterFind = async () => {
        by = await ctx.other(async () => (await item('first').makePersistent(ctx.alias(name))).getID())
      }
      const error = await refused(AliasTakenError, () => store.run(claim))
      assert.equal(error['by'], by)
      assert.match(error.message, /choose another/)
    }
  }),

  law('I455', 'a transaction that makes what it has not found runs again when somebody makes it meanwhile', async (ctx) => {
    const alias = ctx.alias('made-once')
    let runs = 0
    const id = await transact(async () => {
      runs++
      const found = await Item.getByAlias(alias).catch((error: unknown) => {
        if (error instanceof NotFoundError) return undefined
        throw error
      })
      if (runs === 1) await ctx.other(() => item('theirs').makePersistent(alias))
      return (found ?? (await item('mine').makePersistent(alias))).getID()
    })
    assert.equal(runs, 2)
    assert.equal(await ctx.other(async () => (await Item.getByAlias(alias)).getID()), id)
  }),

  law('I457', 'a transaction that chose a name by what it has read runs again when that was changed, and the name taken', async (ctx) => {
    const counter = await item('').makePersistent()
    const take = async (): Promise<number> => {
      const own = await Item.getByID(counter.getID()!)
      own.n++
      return own.n
    }
    const name = (n: number): string => ctx.alias(`numbered-${n}`)
    let runs = 0
    const n = await transact(async () => {
      runs++
      const n = await take()
      const theirs = (): Promise<unknown> => ctx.other(() => transact(async () => item('theirs').makePersistent(name(await take()))))
      if (runs === 1) await theirs()
      await item('mine').makePersistent(name(n))
      return n
    })
    assert.deepEqual([runs, n], [2, 2])
    await refused(AliasTakenError, () => transact(async () => item('x').makePersistent(name(1))))
  }),

  law('I458', 'with ifExists open the rows of the new object come over the stored ones, whoever has those in memory', async (ctx) => {
    const alias = ctx.alias('rows')
    const table = (...keys: readonly string[]): Table => {
      const made = new Table()
      for (const k of keys) made.rows.set({ k }, { v: keys.length })
      return made
    }
    const rows = (): Promise<string> =>
      ctx.other(async () => {
        const stored = await all((await Table.getByAlias(alias)).rows)
        return stored.map(([{ k }, { v }]) => `${k}${v}`).join(' ')
      })
    const first = await table('a').makePersistent(alias)
    await ctx.other(() => table('a', 'b').makePersistent(alias, { ifExists: 'open' }))
    assert.equal(await rows(), 'a2 b2')
    assert.equal(await table('b', 'c', 'd').makePersistent(alias, { ifExists: 'open' }), first)
    assert.equal(await rows(), 'a2 b3 c3 d3')
    await ctx.other(() => transact(() => table('e').makePersistent(alias, { ifExists: 'open' })))
    await transact(async () => {
      await Table.getByAlias(alias)
      await table('a', 'f').makePersistent(alias, { ifExists: 'open' })
    })
    assert.equal(await rows(), 'a2 b3 c3 d3 e1 f2')
  }),

  law('I456', 'who finishes rows of a unit while others have done so, and deleted their owner, goes on', async (ctx) => {
    const alias = ctx.alias('finished')
    const beside = await item('beside').makePersistent()
    await new Table().makePersistent(alias)
    let slow: SlowRows | undefined
    const writer = await ctx.wrapped((inner) => (slow = new SlowRows(inner)))
    const { store, backend } = await overtaken(ctx)
    slow!.isOn = true
    const written = writer.run(() =>
      transact(async () => {
        const table = await Table.getByAlias(alias)
        table.rows.set({ k: 'a' }, { v: 1 })
        const other = await Item.getByID(beside.getID()!)
        other.n++
      }),
    )
    await Promise.race([slow!.isAtRows, written])
    backend.afterStaged = () => ctx.other(async () => (await Table.getByAlias(alias)).deletePersistent())
    const read = await store.run(async () => (await Item.getByID(beside.getID()!)).n)
    slow!.goOn()
    await written
    assert.equal(read, 1)
  }),
]
