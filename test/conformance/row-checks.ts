/** Rows that were only read: checks of the bare backend, and transactions that write one thing because another was as it was. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { StorageDict, StorageObject, type Store, t, transact, update } from '../../runtime/index.js'
import type { Backend, Key, Op, Table } from '../../src/backend.js'
import { ConflictError, NotFoundError } from '../../src/errors.js'
import { type Id, newTableId } from '../../src/ids.js'
import { type Case, type CaseContext, law } from './case.js'
import { group, intent, send, tableOn, thing } from './contract-kit.js'
import { all, refused, thrown } from './expect.js'
import { InterruptedBackend } from './faulty-backend.js'
import { Counter } from './model.js'

class Rota extends StorageObject {
  static readonly typeName = 'insitu/conformance#Rota'
  duty = new StorageDict({ who: t.text }, { n: t.i64 }, { writes: 'cas' })
}
type Duty = Rota['duty']

// The bare backend --------------------------------------------------------------------------------------------------------------

const key = (o: number): Key => ['p', BigInt(o)]
const checkRow = ({ id }: Table, o: number, expect: bigint | null): Op => ({ do: 'checkRow', table: id, key: key(o), expect })
const write = ({ id }: Table, o: number, n: bigint): Op => ({
  do: 'row',
  table: id,
  key: key(o),
  set: [n, undefined, undefined],
  isCas: true,
})

const rowAt = async (backend: Backend, { id }: Table, o: number): Promise<{ readonly n: unknown; readonly at: bigint | null }> => {
  const [row] = await backend.rows(id, [key(o)])
  return { n: row?.values[0], at: row?.atMicros ?? null }
}

// Programs ----------------------------------------------------------------------------------------------------------------------

/** Rows of a dict that is owned by an object of its own, each 1. */
async function rotaOf(...who: readonly string[]): Promise<Id> {
  const rota = new Rota()
  for (const one of who) rota.duty.set({ who: one }, { n: 1n })
  return (await rota.makePersistent()).getID()!
}

const dutyOf = async (rota: Id): Promise<Duty> => (await Rota.getByID(rota)).duty
const counter = async (): Promise<Id> => (await new Counter().makePersistent()).getID()!

type Place = readonly [rota: Id, who: string]

async function numberAt([rota, who]: Place): Promise<bigint | undefined> {
  return (await (await dutyOf(rota)).get({ who }))?.n
}

/** Two programs, of which each goes off duty if the other is on. Before either writes both have read. Gives who is on in the end. */
async function bothGoOff(ctx: CaseContext, a: Place, b: Place, check: boolean): Promise<number> {
  const [first, second] = [await ctx.program(), await ctx.program()]
  const bothHaveRead = meeting(2)
  const goOff = (store: Store, own: Place, others: Place): Promise<void> =>
    store.run(() =>
      transact(
        async () => {
          const isOn = [await numberAt(own), await numberAt(others)]
          await bothHaveRead()
          if (isOn.every((n) => n === 1n)) (await dutyOf(own[0])).set({ who: own[1] }, { n: 0n })
        },
        { check },
      ),
    )
  await Promise.all([goOff(first, a, b), goOff(second, b, a)])
  return ctx.other(async () => Number(await numberAt(a)) + Number(await numberAt(b)))
}

/** Those who come wait until so many have come; after that nobody does. */
function meeting(count: number): () => Promise<void> {
  let open: () => void
  const met = new Promise<void>((resolve) => {
    open = resolve
  })
  return () => {
    if (--count === 0) open()
    return met
  }
}

const changed =
  (who: string, n: bigint | undefined) =>
  (duty: Duty): void =>
    n === undefined ? duty.delete({ who }) : duty.set({ who }, { n })

/** What a transaction saw each time that it ran, another program having changed the dict between what it read and its first commit. */
async function seen<T>(
  ctx: CaseContext,
  rota: Id,
  look: (duty: Duty) => Promise<T>,
  change: (duty: Duty) => void,
  then: (duty: Duty) => unknown,
): Promise<T[]> {
  const looks: T[] = []
  await transact(
    async () => {
      const duty = await dutyOf(rota)
      looks.push(await look(duty))
      if (looks.length === 1)
        await ctx.other(async () => {
          const theirs = await dutyOf(rota)
          change(theirs)
          await theirs.save()
        })
      await then(duty)
    },
    { check: true },
  )
  return looks
}

const numbers = async (duty: Duty): Promise<number[]> => (await all(duty.values())).map(({ n }) => Number(n))
const get = async (duty: Duty, who: string): Promise<number | undefined> => {
  const row = await duty.get({ who })
  return row && Number(row.n)
}

/** Ways to look at the rows a and b, which are 1 each; what they give then, and after the change. */
const LOOKS: readonly (readonly [(duty: Duty) => Promise<unknown>, change: (duty: Duty) => void, before: unknown, after: unknown])[] = [
  [(duty) => get(duty, 'a'), changed('a', 2n), 1, 2],
  [(duty) => get(duty, 'a'), changed('a', undefined), 1, undefined],
  [(duty) => get(duty, 'new'), changed('new', 2n), undefined, 2],
  [(duty) => duty.has({ who: 'new' }), changed('new', 2n), false, true],
  [async (duty) => (await duty.getMany([{ who: 'a' }, { who: 'b' }])).map((row) => Number(row!.n)), changed('b', 2n), [1, 1], [1, 2]],
  [numbers, changed('b', 2n), [1, 1], [1, 2]],
  [async (duty) => (await all(duty.range({ who: 'b' }))).map(([, { n }]) => Number(n)), changed('b', 2n), [1], [2]],
  [(duty) => duty.count(), changed('a', undefined), 2, 1],
  [async (duty) => Number((await duty.aggregate({ sum: ['sum', 'n'] })).sum), changed('a', 2n), 2, 3],
]

/** How often a transaction is interrupted at most: it has no more calls that commit. */
const CALLS = 6
/** Whoever is in the way of the other waits for it, so that it is not waited for longer than that. */
const HEAD_START_MS = 100

/** A transaction that goes off duty and counts that in an object of its own, while another program does the same at some point of it. */
async function interrupted(ctx: CaseContext, nth: number): Promise<void> {
  let backend: InterruptedBackend | undefined
  const store = await ctx.wrapped((inner) => (backend = new InterruptedBackend(inner)))
  const [rota, ...counts] = await ctx.other(async () => [await rotaOf('a', 'b'), await counter(), await counter()] as const)
  const goOff = (own: string, others: string, count: Id): Promise<boolean> =>
    transact(
      async () => {
        const duty = await dutyOf(rota)
        const isOn = (await duty.get({ who: others }))?.n === 1n
        if (isOn) duty.set({ who: own }, { n: 0n })
        if (isOn) (await Counter.getByID(count)).n++
        return isOn
      },
      { check: true, retries: 20 },
    )
  const other = await ctx.program()
  let alone: Promise<boolean> | undefined
  backend!.interrupt = async () => {
    alone = other.run(() => goOff('b', 'a', counts[1]))
    await Promise.race([alone, delay(HEAD_START_MS)])
  }
  const first = await store.run(async () => {
    backend!.before = nth
    return goOff('a', 'b', counts[0]).finally(() => {
      backend!.before = Number.POSITIVE_INFINITY
    })
  })
  const wentOff = [first, await alone].filter((isOff) => isOff === true)
  const [on, counted] = await ctx.other(async () => [
    await numbers(await dutyOf(rota)),
    (await Promise.all(counts.map((count) => Counter.getByID(count)))).map(({ n }) => n),
  ])
  const sum = (all: readonly number[]): number => all.reduce((a, b) => a + b)
  assert.deepEqual([sum(on!), sum(counted!), wentOff.length], [1, 1, 1], `before call ${nth}`)
}

export const rowChecks: readonly Case[] = [
  law('B78', 'a group that checks a row is refused whole unless that is as it was read, and changes nothing of it', async (ctx) => {
    const { backend } = ctx.store
    const table = await tableOn(backend, 'cas')
    const other = (await ctx.program()).backend
    await send(backend, write(table, 1, 1n))
    const { at } = await rowAt(other, table, 1)
    const sent = group([checkRow(table, 1, at), write(table, 2, 1n), checkRow(table, 3, null)])
    assert.equal((await backend.commit(sent)).applied, true)
    assert.deepEqual(await rowAt(other, table, 1), { n: 1n, at })
    await send(backend, checkRow(table, 1, at), checkRow(table, 9, null))
    assert.equal((await rowAt(other, table, 9)).at, null)
    for (const [o, expect] of [
      [1, null],
      [1, at! - 1n],
      [3, at],
    ] as const) {
      const error = await refused(ConflictError, () => send(other, write(table, 2, 9n), checkRow(table, o, expect)))
      assert.deepEqual([error.table, error.key, error.expected, error.found], [table.id, key(o), expect, o === 1 ? at : null])
    }
    assert.equal((await rowAt(backend, table, 2)).n, 1n)
    await send(other, { ...write(table, 1, 2n), expect: at } as Op)
    await refused(ConflictError, () => send(backend, checkRow(table, 1, at)))
    assert.equal((await backend.commit(sent)).applied, true) // its receipt: sent again it changes nothing
    await send(other, { ...write(table, 1, 3n), set: null } as Op)
    await send(backend, checkRow(table, 1, null), write(table, 2, 4n))
    assert.deepEqual([(await rowAt(other, table, 1)).at, (await rowAt(other, table, 2)).n], [null, 4n])
    await refused(NotFoundError, () => send(backend, checkRow({ ...table, id: newTableId() }, 1, null)))
  }),

  law(
    'B79',
    'another commit’s intent on a row is in the way of who checks it',
    async ({ store: { backend } }) => {
      const table = await tableOn(backend, 'cas')
      const held = intent(thing(), [])
      await send(backend, { do: 'reserveRow', table: table.id, key: key(1), intent: held })
      const error = await refused(ConflictError, () => send(backend, checkRow(table, 1, null)))
      assert.equal((error.intent as typeof held).commit, held.commit)
      await send(backend, { do: 'settleRow', table: table.id, key: key(1), commit: held.commit })
      await send(backend, checkRow(table, 1, null))
    },
    ({ capabilities }) =>
      capabilities.reservesRows ? undefined : 'rows that exclude each other lie where their owner does, and take no intents',
  ),

  law('I195', 'with check two transactions that each read two rows and write the other one are not both right', async (ctx) => {
    const rota = await rotaOf('a', 'b')
    assert.equal(await bothGoOff(ctx, [rota, 'a'], [rota, 'b'], true), 1)
    assert.equal(await bothGoOff(ctx, [await rotaOf('a'), 'a'], [await rotaOf('b'), 'b'], true), 1)
  }),

  law('I196', 'without check a row that was only read may change', async (ctx) => {
    const rota = await rotaOf('a', 'b')
    assert.equal(await bothGoOff(ctx, [rota, 'a'], [rota, 'b'], false), 0)
  }),

  law(
    'I197',
    'with check a transaction runs again when a row was changed, removed or made that it only read, in whatever way',
    async (ctx) => {
      for (const [look, change, before, after] of LOOKS) {
        const rota = await rotaOf('a', 'b')
        assert.deepEqual(await seen(ctx, rota, look, change, changed('result', 1n)), [before, after], look.toString())
      }
    },
  ),

  law('I198', 'it does so whatever it writes: another row, an object, both, what is new, or the row’s owner away', async (ctx) => {
    const count = await counter()
    const countUp = async (): Promise<number> => (await Counter.getByID(count)).n++
    const other = await rotaOf()
    const writes: readonly ((duty: Duty, rota: Id) => unknown)[] = [
      changed('result', 1n),
      countUp,
      (duty) => {
        changed('result', 1n)(duty)
        return countUp()
      },
      () => new Counter().makePersistent(),
      async () => changed('result', 1n)(await dutyOf(other)),
      async (_, rota) => {
        await (await Rota.getByID(rota)).deletePersistent()
        await countUp()
      },
    ]
    for (const then of writes) {
      const rota = await rotaOf('a')
      assert.deepEqual(
        await seen(
          ctx,
          rota,
          (duty) => get(duty, 'a'),
          changed('a', 2n),
          (duty) => then(duty, rota),
        ),
        [1, 2],
        then.toString(),
      )
    }
    assert.equal(await ctx.other(async () => (await Counter.getByID(count)).n), 3)
  }),

  law('I199', 'with check a row that is read twice and has changed in between is not taken for two', async (ctx) => {
    const rota = await rotaOf('a')
    const reads: (number | undefined)[][] = []
    await transact(
      async () => {
        const duty = await dutyOf(rota)
        const first = await get(duty, 'a')
        if (reads.length === 0)
          await ctx.other(async () => {
            const theirs = await dutyOf(rota)
            changed('a', 2n)(theirs)
            await theirs.save()
          })
        reads.push([first, await get(duty, 'a')])
        changed('result', 1n)(duty)
      },
      { check: true },
    )
    assert.deepEqual(reads.at(-1), [2, 2])
    assert.equal(reads.length, 2)
  }),

  law('I200', 'with check a transaction that only reads rows sees them as they were at one moment', async (ctx) => {
    const rota = await rotaOf('a', 'b')
    const move = (): Promise<void> =>
      ctx.other(() =>
        transact(async () => {
          const duty = await dutyOf(rota)
          const [a, b] = [await get(duty, 'a'), await get(duty, 'b')]
          duty.set({ who: 'a' }, { n: BigInt(a!) - 1n })
          duty.set({ who: 'b' }, { n: BigInt(b!) + 1n })
        }),
      )
    let runs = 0
    const sum = async (): Promise<number> => {
      const duty = await dutyOf(rota)
      const a = await get(duty, 'a')
      if (runs++ === 0) await move()
      const both = a! + (await get(duty, 'b'))!
      if (both !== 2) throw new Error(`the sum is ${both}`)
      return both
    }
    assert.deepEqual([await transact(sum, { check: true }), runs], [2, 2])
    runs = 0
    assert.match(String(await thrown(() => transact(sum))), /the sum is 3/)
  }),

  law('I201', 'with check a transaction runs again when the owner of a row that it only read is deleted', async (ctx) => {
    const [rota, count] = [await rotaOf('a'), await counter()]
    let runs = 0
    const body = async (): Promise<void> => {
      const isFirst = runs++ === 0
      await get(await dutyOf(rota), 'a')
      if (isFirst) await ctx.other(async () => (await Rota.getByID(rota)).deletePersistent())
      ;(await Counter.getByID(count)).n++
    }
    await refused(NotFoundError, () => transact(body, { check: true }))
    assert.deepEqual([runs, await ctx.other(async () => (await Counter.getByID(count)).n)], [2, 0])
  }),

  law('I202', 'rows that were only read hold at every moment of a commit with an object', async (ctx) => {
    for (let nth = 0; nth <= CALLS; nth++) await interrupted(ctx, nth)
  }),

  law('I203', 'with check a row that a transaction only read can be written, read and checked by the next', async (ctx) => {
    const [rota, count] = [await rotaOf('a', 'b'), await counter()]
    for (let n = 1; n <= 3; n++) {
      await transact(
        async () => {
          const duty = await dutyOf(rota)
          assert.deepEqual([await get(duty, 'a'), await get(duty, 'none')], [n, undefined])
          ;(await Counter.getByID(count)).n++
        },
        { check: true },
      )
      await ctx.other(async () => {
        const duty = await dutyOf(rota)
        await duty.get({ who: 'a' })
        duty.set({ who: 'a' }, { n: BigInt(n + 1) })
        await duty.save()
      })
    }
    assert.equal(await ctx.other(async () => (await Counter.getByID(count)).n), 3)
  }),

  law('I278', 'a scan that had read ahead does not take back what the program has written since', async (ctx) => {
    const names = ['a', 'b', 'c', 'd']
    const rota = await rotaOf(...names)
    const duty = await dutyOf(rota)
    const seen: string[] = []
    for await (const [{ who }] of duty) {
      if (seen.push(who) > 1) continue
      for (const one of names.slice(0, 3)) duty.set({ who: one }, { n: 2n })
      duty.delete({ who: 'd' })
      await duty.save()
    }
    assert.deepEqual(new Set([...seen, 'd']), new Set(names))
    for (const one of names) duty.set({ who: one }, { n: 3n })
    await duty.save()
    for (const one of names) assert.equal((await duty.get({ who: one }))?.n, 3n)
    // What others have written is not taken for what was read before.
    for await (const _row of duty);
    await ctx.other(async () => update(await Rota.getByID(rota), (o) => void o.duty.set({ who: 'a' }, { n: 4n })))
    duty.set({ who: 'a' }, { n: 5n })
    await refused(ConflictError, () => duty.save())
  }),
]
