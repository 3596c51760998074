/**
 * Random programs on the dicts of two stores, whose rows refer to objects of both: made, removed, made anew and renamed by two programs that
 * have both stores open. A long file on purpose: the model, what is done, and what is seen, beside each other.
 */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { type Id, NotFoundError, StorageDict, StorageObject, t, transact, update } from '../../runtime/index.js'
import { openBackend } from '../../runtime/open-backend.js'
import { Store } from '../../src/store.js'
import { all, refused } from '../conformance/expect.js'
import { show } from './dict-types.js'

class Leaf extends StorageObject {
  static readonly typeName = 'insitu/model#Leaf'
  name = ''
}

class Holder extends StorageObject {
  static readonly typeName = 'insitu/model#Holder'
  note = ''
  rows = new StorageDict(
    { k: t.i32 },
    {
      who: t.ref(() => Leaf).optional(),
      place: t.record({ at: t.i32, of: t.ref(() => Leaf) }).optional(),
      many: t.list(t.ref(() => Leaf)).optional(),
      hits: t.counter,
    },
  )
}

// ---- programs

type Side = 0 | 1
type Who = 0 | 1

/** `leaf`: one of those that the program knows. */
type Change =
  | {
      readonly do: 'set'
      readonly side: Side
      readonly k: number
      readonly who: number | null
      readonly place: number | null
      readonly many: readonly number[]
    }
  | { readonly do: 'add'; readonly side: Side; readonly k: number; readonly by: number }
  | { readonly do: 'remove'; readonly side: Side; readonly k: number }
  | { readonly do: 'new'; readonly name: string }
  | { readonly do: 'delete'; readonly leaf: number }

export type Action =
  | (Change & { readonly by: Who })
  | { readonly do: 'save'; readonly by: Who; readonly side: Side; readonly whole: boolean }
  | { readonly do: 'discard' | 'restart'; readonly by: Who; readonly side: Side }
  | { readonly do: 'persist'; readonly by: Who; readonly side: Side; readonly leaf: number }
  | { readonly do: 'rename'; readonly by: Who; readonly leaf: number; readonly name: string }
  | { readonly do: 'transact'; readonly by: Who; readonly side: Side; readonly body: readonly Change[]; readonly fails: boolean }

const KEYS = [0, 1, 2]
const side = fc.constantFrom<Side>(0, 1)
const by = fc.constantFrom<Who>(0, 1)
const leaf = fc.nat(7)
const k = fc.constantFrom(...KEYS)
const name = fc.constantFrom('a', 'b', 'c')
const word = <T extends string>(text: T): fc.Arbitrary<T> => fc.constant(text)
const maybe = fc.option(leaf, { nil: null, freq: 2 })
const changes: readonly fc.WeightedArbitrary<Change>[] = [
  { weight: 6, arbitrary: fc.record({ do: word('set'), side, k, who: maybe, place: maybe, many: fc.array(leaf, { maxLength: 2 }) }) },
  { weight: 2, arbitrary: fc.record({ do: word('add'), side, k, by: fc.integer({ min: -2, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ do: word('remove'), side, k }) },
  { weight: 3, arbitrary: fc.record({ do: word('new'), name }) },
  { weight: 2, arbitrary: fc.record({ do: word('delete'), leaf }) },
]
const change = fc.oneof(...changes)
const action: fc.Arbitrary<Action> = fc.oneof(
  ...changes.map(({ weight, arbitrary }) => ({
    weight,
    arbitrary: fc.tuple(arbitrary, by).map(([one, who]): Action => ({ ...one, by: who })),
  })),
  { weight: 5, arbitrary: fc.record({ do: word('save'), by, side, whole: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('discard' as const, 'restart' as const), by, side }) },
  { weight: 2, arbitrary: fc.record({ do: word('persist'), by, side, leaf }) },
  { weight: 2, arbitrary: fc.record({ do: word('rename'), by, leaf, name }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: word('transact'),
      by,
      side,
      body: fc.array(change, { minLength: 1, maxLength: 5 }),
      fails: fc.nat(3).map((n) => n === 0),
    }),
  },
)

export const linkPrograms = (lengthMax: number): fc.Arbitrary<readonly Action[]> =>
  fc.array(action, { minLength: 1, maxLength: lengthMax, size: 'max' })

// ---- the model

/** An object that is stored, or was. Rows may go on referring to it when it is gone. */
class Thing {
  id: Id | undefined
  home: Side | undefined
  isThere = false
  constructor(public name: string) {}
}

interface Row {
  readonly who?: Thing
  readonly place?: Thing
  readonly many: readonly Thing[]
  readonly hits: bigint
}
type Rows = ReadonlyMap<number, Row>
type Write =
  | { readonly do: 'set'; readonly side: Side; readonly k: number; readonly row: Omit<Row, 'hits'> }
  | { readonly do: 'add'; readonly side: Side; readonly k: number; readonly by: number }
  | { readonly do: 'remove'; readonly side: Side; readonly k: number }

function written(rows: Rows, writes: readonly Write[]): Rows {
  const next = new Map(rows)
  for (const one of writes) {
    const hits = next.get(one.k)?.hits ?? 0n
    if (one.do === 'remove') next.delete(one.k)
    else if (one.do === 'set') next.set(one.k, { ...one.row, hits })
    else next.set(one.k, { many: [], ...next.get(one.k), hits: hits + BigInt(one.by) })
  }
  return next
}

const thingsIn = (writes: readonly Write[], side: Side): Set<Thing> =>
  new Set(
    [
      ...written(
        new Map(),
        writes.filter((one) => one.side === side),
      ).values(),
    ]
      .flatMap(({ who, place, many }) => [who, place, ...many])
      .filter((one) => one !== undefined),
  )

// ---- and the stores

/** What a program knows of an object: its instance, and which object that is now. */
interface Known {
  readonly real: Leaf
  thing: Thing
}

interface Session {
  stores: readonly [Store, Store]
  holders: readonly [Holder, Holder]
  known: Known[]
  pending: Write[]
}

class Failure extends Error {}

export class Links {
  #sessions: readonly [Session, Session, Session] = [] as never
  readonly #rows: [Rows, Rows] = [new Map(), new Map()]
  readonly #things = new Map<Id, Thing>()

  constructor(readonly urls: readonly [string, string]) {}

  static async run(urls: readonly [string, string], actions: readonly Action[]): Promise<void> {
    const links = new Links(urls)
    try {
      await links.#begin()
      for (const [i, one] of actions.entries())
        try {
          await links.#act(one)
          await links.#look()
        } catch (error) {
          throw new Error(`at ${i}, ${show(one)}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
        }
    } finally {
      for (const { stores } of links.#sessions) for (const store of stores) await store.close().catch(() => {})
    }
  }

  async #begin(): Promise<void> {
    const stores = await this.#opened()
    const holders = (await Promise.all(stores.map((store) => store.run(() => new Holder().makePersistent())))) as [Holder, Holder]
    const first: Session = { stores, holders, known: [], pending: [] }
    this.#sessions = [first, await this.#session(holders), await this.#session(holders)]
  }

  async #opened(): Promise<[Store, Store]> {
    const [a, b] = await Promise.all(this.urls.map(async (url) => new Store(await openBackend(url))))
    a!.meet(b!)
    return [a!, b!]
  }

  async #session(of: readonly [Holder, Holder]): Promise<Session> {
    const stores = await this.#opened()
    const holders = await Promise.all(stores.map((store, i) => store.run(() => Holder.getByID(of[i]!.getID()!))))
    return { stores, holders: holders as [Holder, Holder], known: [], pending: [] }
  }

  // ---- what is seen

  async #look(): Promise<void> {
    for (const { known } of this.#sessions) for (const { real, thing } of known) this.#idFor(real, thing)
    for (const [i, session] of this.#sessions.entries()) {
      for (const at of [0, 1] as const) {
        const expected = written(
          this.#rows[at],
          session.pending.filter((one) => one.side === at),
        )
        await session.stores[at].run(() => this.#compare(session, session.holders[at], expected))
      }
      for (const { real, thing } of session.known)
        assert.equal(real.getID() ?? undefined, this.#idFor(real, thing), `whether ${thing.name} is stored, in ${i}`)
    }
    for (const [id, thing] of this.#things) await this.#compareThing(id, thing)
  }

  /** An object that is stored for the first time tells its id. */
  #idFor(real: Leaf, thing: Thing): Id | undefined {
    if (thing.isThere && thing.id === undefined) {
      thing.id = real.getID() ?? assert.fail(`${thing.name} is not stored`)
      this.#things.set(thing.id, thing)
    }
    return thing.id
  }

  async #compare(session: Session, holder: Holder, expected: Rows): Promise<void> {
    const found = await all(holder.rows.entries())
    assert.deepEqual(
      found.map(([key]) => key.k),
      [...expected.keys()].sort(),
      'which rows',
    )
    for (const [key, { who, place, many, hits }] of found) {
      const row = expected.get(key.k)!
      assert.equal(hits, row.hits, 'hits')
      assert.equal(place?.at, row.place && key.k, 'place')
      const [reals, things] = [
        [who, place?.of, ...(many ?? [])],
        [row.who, row.place, ...row.many],
      ]
      assert.equal(reals.length, things.length)
      for (const [i, real] of reals.entries()) this.#meet(session, real, things[i])
    }
  }

  /** That a reference leads where it should, and to one instance for one object. */
  #meet(session: Session, real: Leaf | undefined, thing: Thing | undefined): void {
    assert.equal(real === undefined, thing === undefined, 'whether it refers to something')
    if (!real || !thing) return
    if (thing.id !== undefined && !thing.isThere) return // it leads nowhere, and looking there says so
    const known = session.known.find((one) => one.thing === thing)
    if (known) return assert.equal(real, known.real, `that ${thing.name} is one instance`)
    assert.equal(real.getID(), thing.id, 'to whom it refers')
    session.known.push({ real, thing })
  }

  /** Nobody finds what is gone; whoever looks has never had it. */
  async #compareThing(id: Id, thing: Thing): Promise<void> {
    const { stores } = this.#sessions[2]
    if (thing.home === undefined) {
      const found = await Promise.all(stores.map((one) => one.run(async () => (await one.find([id]))[0])))
      assert.deepEqual(found.map((ref) => ref !== undefined).sort(), [false, true], 'in how many stores it is')
      thing.home = found[0] ? 0 : 1
    }
    const store = stores[thing.home]
    await store.run(async () => {
      if (!thing.isThere) return void (await refused(NotFoundError, () => Leaf.getByID(id)))
      const found = await Leaf.getByID(id)
      assert.equal(found.name, thing.name, 'its name')
    })
  }

  // ---- what is done

  async #act(one: Action): Promise<void> {
    const session = this.#sessions[one.by as Who]
    switch (one.do) {
      case 'save':
        return this.#save(session, one.side, one.whole)
      case 'discard':
        session.pending = session.pending.filter(({ side: at }) => at !== one.side)
        return void (await session.stores[one.side].run(() => session.holders[one.side].reload({ discard: true })))
      case 'restart':
        return this.#restart(one.by as Who)
      case 'persist':
        return this.#persist(session, one.side, one.leaf)
      case 'rename':
        return this.#rename(session, one.leaf, one.name)
      case 'transact':
        return this.#transact(session, one)
      default: {
        const deleted = new Map<Known, () => void>()
        const done = await this.#change(session, one as Change, deleted)
        for (const note of deleted.values()) note()
        if (done) session.pending.push(done)
      }
    }
  }

  #pick(session: Session, at: number): Known | undefined {
    return session.known[at % session.known.length]
  }

  /** Gives what it writes. What it deletes is gone once the unit of work is committed. */
  async #change(session: Session, one: Change, done: Map<Known, () => void>): Promise<Write | undefined> {
    switch (one.do) {
      case 'new':
        session.known.push({ real: Object.assign(new Leaf(), { name: one.name }), thing: new Thing(one.name) })
        return undefined
      case 'delete': {
        const known = this.#pick(session, one.leaf)
        if (known && done.has(known)) return undefined
        const noted = await this.#delete(known)
        if (known && noted) done.set(known, noted)
        return undefined
      }
      case 'add':
        session.holders[one.side].rows.add({ k: one.k }, 'hits', one.by)
        return one
      case 'remove':
        session.holders[one.side].rows.delete({ k: one.k })
        return one
      case 'set':
        return this.#set(session, one)
    }
  }

  #set(session: Session, one: Extract<Change, { do: 'set' }>): Write {
    const [who, place] = [one.who, one.place].map((at) => (at === null ? undefined : this.#pick(session, at)))
    const many = one.many.map((at) => this.#pick(session, at)).filter((known) => known !== undefined)
    session.holders[one.side].rows.set(
      { k: one.k },
      { ...(who && { who: who.real }), ...(place && { place: { at: one.k, of: place.real } }), many: many.map(({ real }) => real) },
    )
    const row = { ...(who && { who: who.thing }), ...(place && { place: place.thing }), many: many.map(({ thing }) => thing) }
    return { do: 'set', side: one.side, k: one.k, row }
  }

  /** Gives what is to be noted once it is done: what stays in memory is volatile, and the next who refers to it makes another object of it. */
  async #delete(known: Known | undefined): Promise<(() => void) | undefined> {
    const thing = known?.thing
    if (!known || !thing || thing.id === undefined) return undefined
    if (!thing.isThere) return void (await refused(NotFoundError, () => known.real.reload()))
    await known.real.reload()
    await known.real.deletePersistent()
    return () => {
      thing.isThere = false
      known.thing = new Thing(thing.name)
    }
  }

  async #save(session: Session, at: Side, whole: boolean): Promise<void> {
    const { stores, holders } = session
    await stores[at].run(async () => (whole ? holders[at].save() : holders[at].rows.save()))
    this.#store(
      session,
      session.pending.filter((one) => one.side === at),
    )
    session.pending = session.pending.filter((one) => one.side !== at)
  }

  /** The model's own commit: volatile objects that rows refer to are stored with them. Of those that rows referred to for a while it is not said. */
  #store({ known }: Session, writes: readonly Write[]): void {
    for (const at of [0, 1] as const) {
      const own = writes.filter((one) => one.side === at)
      for (const thing of thingsIn(own, at)) thing.isThere ||= thing.id === undefined
      this.#rows[at] = written(this.#rows[at], own)
    }
    const named = new Set(writes.flatMap((one) => (one.do === 'set' ? [one.row.who, one.row.place, ...one.row.many] : [])))
    for (const { real, thing } of known) if (named.has(thing) && thing.id === undefined) thing.isThere ||= real.getID() !== null
  }

  async #persist(session: Session, at: Side, leaf: number): Promise<void> {
    const known = this.#pick(session, leaf)
    if (!known || known.thing.isThere || known.thing.id !== undefined) return
    await session.stores[at].run(() => known.real.makePersistent())
    known.thing.isThere = true
  }

  async #rename(session: Session, leaf: number, name: string): Promise<void> {
    const known = this.#pick(session, leaf)
    if (!known) return
    const { real, thing } = known
    if (thing.id === undefined) real.name = name
    else {
      const work = (): Promise<unknown> => session.stores[thing.home!].run(() => update(real, (o) => void (o.name = name)))
      if (!thing.isThere) return void (await refused(NotFoundError, work))
      await work()
    }
    thing.name = name
  }

  async #transact(session: Session, { side: at, body, fails }: Extract<Action, { do: 'transact' }>): Promise<void> {
    const deleted = new Map<Known, () => void>()
    const writes: Write[] = []
    let attempts = 0
    const work = transact.bind(undefined, async () => {
      attempts++
      for (const one of body) {
        const done = await this.#change(session, one, deleted)
        if (done) writes.push(done)
      }
      if (fails) throw new Failure('as planned')
    })
    const running = session.stores[at].run(() => work())
    await (fails ? assert.rejects(Promise.resolve(running), Failure) : running)
    assert.equal(attempts, 1, 'a transaction ran again for nothing')
    if (fails) return
    this.#store(session, writes)
    for (const note of deleted.values()) note()
  }

  async #restart(who: Who): Promise<void> {
    const session = this.#sessions[who]
    for (const at of [0, 1] as const) await this.#save(session, at, true)
    for (const { real, thing } of session.known) this.#idFor(real, thing)
    for (const store of session.stores) await store.close()
    Object.assign(session, await this.#session(this.#sessions[2].holders))
  }
}
