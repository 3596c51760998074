/** Long because every operation is tried volatile, bound and mixed. */

import { inspect } from 'node:util'
import { expect } from 'chai'
import fc from 'fast-check'
import type { Piece, Ref } from '../../src/backend.js'
import { t } from '../../src/dict/columns.js'
import {
  bindDict,
  boundTable,
  dictSchemaOf,
  isDict,
  narrow,
  pieceOf,
  StorageDict,
  unbindDict,
  volatileRowOps,
} from '../../src/dict/storage-dict.js'
import { dictFromSchema } from '../../src/dict/stored-dict.js'
import { UnsupportedError, ValidationError } from '../../src/errors.js'
import { allOf, FakeStore } from './dict-fake-store.js'

const makeLog = () => new StorageDict({ p: t.text, o: t.i32 }, { v: t.i32.optional(), hits: t.counter })
type Log = ReturnType<typeof makeLog>

function boundLog(pageRows = 3): { log: Log; store: FakeStore } {
  const log = makeLog()
  const store = new FakeStore(log)
  store.pageRows = pageRows
  bindDict(log, store)
  return { log, store }
}
const keyed = async (items: AsyncIterable<[{ p: string; o: number }, unknown]>): Promise<string[]> =>
  (await allOf(items)).map(([{ p, o }]) => `${p}${o}`)

// ---- a plain model

interface ModelRow {
  p: string
  o: number
  v: number | undefined
  hits: bigint
}
class Model {
  readonly rows: ModelRow[] = []

  find(p: string, o: number): ModelRow | undefined {
    return this.rows.find((row) => row.p === p && row.o === o)
  }
  make(p: string, o: number): ModelRow {
    const row = this.find(p, o) ?? { p, o, v: undefined, hits: 0n }
    if (!this.rows.includes(row)) this.rows.push(row)
    return row
  }
  remove(p: string, o: number): void {
    const at = this.rows.findIndex((row) => row.p === p && row.o === o)
    if (at >= 0) this.rows.splice(at, 1)
  }
  sorted(): ModelRow[] {
    return [...this.rows].sort((a, b) => Buffer.compare(Buffer.from(a.p), Buffer.from(b.p)) || a.o - b.o)
  }
}
const rowValue = (row: ModelRow | undefined) => row && { ...(row.v !== undefined && { v: row.v }), hits: row.hits }
const entryOf = ({ p, o, ...row }: ModelRow) => [{ p, o }, rowValue({ p, o, ...row })]

interface World {
  log: Log
  store: FakeStore | undefined
  model: Model
}
interface Step {
  name: string
  run(world: World): Promise<void> | void
}
const ps = fc.constantFrom('a', 'a\0', 'ab', 'é')
const os = fc.integer({ min: -2, max: 3 })
const bounds = fc.record({
  from: fc.option(os, { nil: undefined }),
  to: fc.option(os, { nil: undefined }),
  limit: fc.option(fc.integer({ min: 0, max: 6 }), { nil: undefined }),
  reverse: fc.boolean(),
})

const step = (name: string, run: Step['run']): Step & { [fc.toStringMethod]: () => string } => ({
  name,
  run,
  [fc.toStringMethod]: () => name,
})
const steps: fc.Arbitrary<Step> = fc.oneof(
  fc.tuple(ps, os, fc.integer({ min: 0, max: 9 })).map(([p, o, v]) =>
    step(`set ${p} ${o} ${v}`, ({ log, model }) => {
      log.set({ p, o }, { v })
      model.make(p, o).v = v
    }),
  ),
  fc.tuple(ps, os, fc.integer({ min: -3, max: 3 })).map(([p, o, by]) =>
    step(`add ${p} ${o} ${by}`, ({ log, model }) => {
      log.add({ p, o }, 'hits', by)
      model.make(p, o).hits += BigInt(by)
    }),
  ),
  fc.tuple(ps, os).map(([p, o]) =>
    step(`delete ${p} ${o}`, ({ log, model }) => {
      log.delete({ p, o })
      model.remove(p, o)
    }),
  ),
  fc.constant(
    step('clear', async ({ log, model }) => {
      await log.clear()
      model.rows.length = 0
    }),
  ),
  fc.constant(step('commit', ({ store }) => store?.commit())),
  fc.constant(
    step('fail to commit', ({ store }) => {
      if (store) store.buffered.putBack(store.buffered.take())
    }),
  ),
  fc.tuple(ps, os).map(([p, o]) =>
    step(`get ${p} ${o}`, async ({ log, model }) => {
      expect(await log.get({ p, o })).to.deep.equal(rowValue(model.find(p, o)))
      expect(await log.has({ p, o })).to.equal(model.find(p, o) !== undefined)
    }),
  ),
  fc.array(fc.tuple(ps, os), { maxLength: 5 }).map((keys) =>
    step(`getMany ${keys}`, async ({ log, model }) => {
      const found = await log.getMany(keys.map(([p, o]) => ({ p, o })))
      expect(found).to.deep.equal(keys.map(([p, o]) => rowValue(model.find(p, o))))
    }),
  ),
  fc.constant(
    step('scan', async ({ log, model }) => {
      const rows = model.sorted().map(entryOf)
      expect(await allOf(log)).to.deep.equal(rows)
      expect(await allOf(log.keys())).to.deep.equal(rows.map(([k]) => k))
      expect(await allOf(log.values())).to.deep.equal(rows.map(([, v]) => v))
      expect(await log.count()).to.equal(rows.length)
    }),
  ),
  fc.tuple(ps, bounds).map(([p, { from, to, limit, reverse }]) =>
    step(`range ${p} ${from} ${to} ${limit} ${reverse}`, async ({ log, model }) => {
      let want = model.sorted().filter((row) => row.p === p && (from === undefined || row.o >= from) && (to === undefined || row.o < to))
      if (reverse) want.reverse()
      want = want.slice(0, limit)
      const options = {
        reverse,
        ...(limit !== undefined && { limit }),
        ...(from !== undefined && { from: { o: from } }),
        ...(to !== undefined && { to: { o: to } }),
      }
      expect(await allOf(log.range({ p }, options))).to.deep.equal(want.map(entryOf))
    }),
  ),
  fc.tuple(fc.integer({ min: 0, max: 6 }), fc.boolean()).map(([limit, reverse]) =>
    step(`range all ${limit} ${reverse}`, async ({ log, model }) => {
      const all = model.sorted()
      if (reverse) all.reverse()
      expect(await allOf(log.range({}, { limit, reverse }))).to.deep.equal(all.slice(0, limit).map(entryOf))
    }),
  ),
)

describe('StorageDict', () => {
  for (const bound of [false, true])
    it(`any sequence of calls equals a plain model, ${bound ? 'over stored rows' : 'volatile'}`, async function () {
      this.timeout(60_000)
      await fc.assert(
        fc.asyncProperty(fc.array(steps, { maxLength: 30 }), fc.integer({ min: 1, max: 4 }), async (script, pageRows) => {
          const { log, store } = bound ? boundLog(pageRows) : { log: makeLog(), store: undefined }
          const world = { log, store, model: new Model() }
          for (const { run } of script) await run(world)
          expect(await allOf(log)).to.deep.equal(world.model.sorted().map(entryOf))
        }),
        { numRuns: 300 },
      )
    })

  it('the same rows come from the store after a commit', async () => {
    const { log, store } = boundLog()
    log.set({ p: 'a', o: 1 }, { v: 1 })
    log.add({ p: 'a', o: 1 }, 'hits', 2)
    const before = await allOf(log)
    expect(store.byKey.size).to.equal(0)
    store.commit()
    expect(store.buffered.count).to.equal(0)
    expect(store.byKey.size).to.equal(1)
    expect(await allOf(log)).to.deep.equal(before)
  })

  it('asks the store only for what it does not know', async () => {
    const { log, store } = boundLog()
    const plain = new StorageDict({ k: t.text }, { v: t.i32 })
    const plainStore = new FakeStore(plain)
    bindDict(plain, plainStore)
    plain.set({ k: 'a' }, { v: 1 })
    plain.delete({ k: 'b' })
    await plain.get({ k: 'a' })
    await plain.get({ k: 'b' })
    await plain.getMany([{ k: 'a' }, { k: 'b' }])
    expect(plainStore.asked.rows).to.equal(0)
    await plain.getMany([{ k: 'a' }, { k: 'c' }, { k: 'd' }])
    expect(plainStore.asked.rows).to.equal(1)
    log.set({ p: 'a', o: 1 }, {})
    await log.get({ p: 'a', o: 1 }) // its counter may be stored
    expect(store.asked).to.deep.equal({ rows: 1, pages: 0, changed: 1 })
  })

  it('a refused write leaves nothing buffered (H22)', () => {
    const { log, store } = boundLog()
    expect(() => log.set({ p: 'a', o: 1.5 }, { v: 1 })).to.throw(ValidationError, /'o' wants i32/)
    expect(() => log.set({ p: 'a', o: 1 }, { v: '5' as never })).to.throw(ValidationError)
    expect(() => log.set({ p: 'x'.repeat(2000), o: 1 }, {}))
      .to.throw(ValidationError)
      .with.property('code', 'ERR_KEY_TOO_LONG')
    expect(() => log.add({ p: 'a', o: 1 }, 'v' as never, 1)).to.throw(ValidationError)
    expect(() => log.add({ p: 'a', o: 1 }, 'hits', 1.5)).to.throw(ValidationError)
    expect(() => log.set({ p: 'a', o: 1 }, { hits: 1n } as never)).to.throw(ValidationError)
    expect(store.buffered.count).to.equal(0)
    expect(store.asked.changed).to.equal(0)
  })

  it('setMany takes pairs, Maps and other dicts; of equal keys the last wins (H27)', async () => {
    const a = new StorageDict({ k: t.text }, { v: t.i32 })
    a.setMany([
      [{ k: 'x' }, { v: 1 }],
      [{ k: 'x' }, { v: 2 }],
    ])
    a.setMany(new Map([[{ k: 'y' }, { v: 3 }]]))
    const b = new StorageDict({ k: t.text }, { v: t.i32 })
    b.set({ k: 'y' }, { v: 0 })
    await b.setMany(a)
    expect(await allOf(b)).to.deep.equal([
      [{ k: 'x' }, { v: 2 }],
      [{ k: 'y' }, { v: 3 }],
    ])
  })

  it('a loop may write the row it is at and rows behind it', async () => {
    for (const { log, store } of [boundLog(2), { log: makeLog(), store: undefined }]) {
      for (let o = 0; o < 10; o++) log.set({ p: 'a', o }, { v: o })
      store?.commit()
      for await (const [key, { v }] of log) {
        log.set(key, { v: v! + 100 })
        if (v! % 2) log.delete(key)
        log.set({ p: 'A', o: v! }, { v: 0 })
      }
      expect(await allOf(log.range({ p: 'a' }))).to.deep.equal(
        [0, 2, 4, 6, 8].map((o) => [
          { p: 'a', o },
          { v: o + 100, hits: 0n },
        ]),
      )
      expect(await log.count()).to.equal(15)
    }
  })

  it('a commit in the middle of a scan neither loses nor repeats nor doubles anything', async () => {
    for (const reverse of [false, true])
      for (const limit of [18, 100])
        for (let at = 0; at < 20; at++) {
          const { log, store } = boundLog(2)
          for (let o = 0; o < 16; o += 2) log.set({ p: 'a', o }, { v: o })
          store.commit()
          for (let o = -4; o < 20; o++) log.add({ p: 'a', o }, 'hits', 1)
          const seen: unknown[] = []
          for await (const [{ o }, { hits }] of log.range({ p: 'a' }, { reverse, limit })) {
            seen.push([o, hits])
            if (seen.length === at) store.commit()
          }
          const all = Array.from({ length: 24 }, (_, i) => [i - 4, 1n])
          if (reverse) all.reverse()
          expect(seen, `commit after ${at}`).to.deep.equal(all.slice(0, limit))
        }
  })

  it('a commit in the middle of many buffered rows loses none of them', async () => {
    for (const at of [0, 1, 256, 300, 600]) {
      const { log, store } = boundLog(100)
      for (let o = 0; o < 700; o++) log.set({ p: 'a', o }, { v: o })
      const seen: number[] = []
      for await (const [{ o }] of log) {
        if (seen.length === at) store.commit()
        seen.push(o)
      }
      expect(seen, `commit after ${at}`).to.deep.equal(Array.from({ length: 700 }, (_, o) => o))
    }
  })

  it('a limit counts rows given, also when rows ahead go away meanwhile', async () => {
    const { log, store } = boundLog(2)
    for (let o = 0; o < 30; o++) log.set({ p: 'a', o }, { v: o })
    store.commit()
    const seen: number[] = []
    for await (const [{ o }] of log.range({ p: 'a' }, { limit: 6 })) {
      if (seen.length === 0) for (let gone = 4; gone < 20; gone++) log.delete({ p: 'a', o: gone })
      seen.push(o)
    }
    expect(seen).to.deep.equal([0, 1, 2, 3, 20, 21])
  })

  it('reads wait for counter changes that are on their way, and see other writes meanwhile', async () => {
    const { log, store } = boundLog()
    log.add({ p: 'a', o: 1 }, 'hits', 5)
    const sent = store.buffered.take()
    log.add({ p: 'a', o: 1 }, 'hits', 1)
    const read = log.get({ p: 'a', o: 1 })
    const scan = allOf(log)
    await new Promise((done) => setImmediate(done))
    store.apply(sent.toOps(store.stored))
    store.buffered.settle(sent)
    expect(await read).to.deep.equal({ hits: 6n })
    expect(await scan).to.deep.equal([[{ p: 'a', o: 1 }, { hits: 6n }]])

    log.set({ p: 'b', o: 1 }, { v: 7 })
    const plain = store.buffered.take()
    expect(plain.toOps(store.stored)).to.have.length(2)
    expect(store.buffered.count).to.equal(0)
  })

  it('writes on their way are seen by reads, and are not sent again', async () => {
    const plain = new StorageDict({ k: t.text }, { v: t.i32 })
    const store = new FakeStore(plain)
    bindDict(plain, store)
    plain.set({ k: 'a' }, { v: 1 })
    const sent = store.buffered.take()
    expect(await allOf(plain)).to.deep.equal([[{ k: 'a' }, { v: 1 }]])
    plain.delete({ k: 'a' })
    plain.set({ k: 'b' }, { v: 2 })
    expect(await allOf(plain)).to.deep.equal([[{ k: 'b' }, { v: 2 }]])
    expect(store.buffered.toOps(store.stored)).to.have.length(2)
    store.buffered.putBack(sent)
    expect(store.buffered.toOps(store.stored).map((op) => op.do === 'row' && op.set)).to.deep.equal([null, [2]])
  })

  it('a get during a commit never misses what was buffered before it', async () => {
    const { log, store } = boundLog()
    log.add({ p: 'a', o: 1 }, 'hits', 1)
    const read = log.get({ p: 'a', o: 1 })
    await Promise.resolve()
    store.commit()
    expect(await read).to.deep.equal({ hits: 1n })
  })

  it('a removed row takes its counters along, also when it is written again', async () => {
    const { log, store } = boundLog()
    log.add({ p: 'a', o: 1 }, 'hits', 5)
    store.commit()
    log.delete({ p: 'a', o: 1 })
    log.add({ p: 'a', o: 1 }, 'hits', 1)
    expect(await log.get({ p: 'a', o: 1 })).to.deep.equal({ hits: 1n })
    store.commit()
    expect(await log.get({ p: 'a', o: 1 })).to.deep.equal({ hits: 1n })
    log.set({ p: 'a', o: 1 }, { v: 3 })
    expect(await log.get({ p: 'a', o: 1 })).to.deep.equal({ v: 3, hits: 1n })
    log.delete({ p: 'a', o: 1 })
    log.set({ p: 'a', o: 1 }, { v: 4 })
    expect(await log.get({ p: 'a', o: 1 })).to.deep.equal({ v: 4, hits: 0n })
    store.commit()
    expect(await log.get({ p: 'a', o: 1 })).to.deep.equal({ v: 4, hits: 0n })
  })

  it("with writes 'cas' a row expects what was read, else whatever it finds", async () => {
    const dict = new StorageDict({ k: t.text }, { v: t.i32 }, { writes: 'cas' })
    const store = new FakeStore(dict)
    bindDict(dict, store)
    dict.set({ k: 'blind' }, { v: 1 })
    await dict.get({ k: 'none' })
    dict.set({ k: 'none' }, { v: 1 })
    const expected = (): unknown[] => store.buffered.toOps(store.stored).map((op) => ('expect' in op ? op.expect : 'anything'))
    expect(expected()).to.deep.equal(['anything', null])
    store.commit()
    const at = store.byKey.values().next().value!.atMicros
    await allOf(dict)
    dict.set({ k: 'none' }, { v: 2 })
    dict.set({ k: 'other' }, { v: 2 })
    dict.delete({ k: 'blind' })
    expect(expected()).to.deep.equal([at, at, 'anything'])
  })

  it("with writes 'cas' a row read before a group and written after it still expects what was read", async () => {
    const dict = new StorageDict({ k: t.text }, { v: t.i32, c: t.counter }, { writes: 'cas' })
    const store = new FakeStore(dict)
    bindDict(dict, store)
    await dict.getMany([{ k: 'read' }, { k: 'sent' }])
    dict.set({ k: 'sent' }, { v: 1 })
    const sent = store.buffered.take()
    store.apply(sent.toOps(store.stored))
    store.buffered.settle(sent, 77n)
    dict.set({ k: 'read' }, { v: 1 })
    dict.delete({ k: 'sent' })
    dict.set({ k: 'sent' }, { v: 2 })
    const expected = store.buffered.toOps(store.stored).map((op) => ('expect' in op ? op.expect : 'anything'))
    expect(expected).to.deep.equal([null, 77n, 'anything']) // read; sent: the old row goes, the new one takes its place
  })

  it('-0 and 0 are one key, and NaN is one', async () => {
    const dict = new StorageDict({ k: t.f64 }, { s: t.set(t.f64) })
    dict.set({ k: -0 }, { s: [0, -0, NaN, NaN] })
    dict.set({ k: NaN }, { s: [] })
    expect(await dict.has({ k: 0 })).to.equal(true)
    expect((await allOf(dict.keys())).map(({ k }) => Object.is(k, 0) || Number.isNaN(k))).to.deep.equal([true, true])
    const { s } = (await dict.get({ k: 0 }))!
    expect(s).to.deep.equal(new Set([0, NaN]))
    const store = new FakeStore(dict)
    bindDict(dict, store)
    expect(store.buffered.toOps(store.stored).some((op) => op.do === 'row' && Object.is(op.key[0], -0))).to.equal(false)
  })

  it('a scan that fails throws (H39), one left early closes its source (H38)', async () => {
    const { log, store } = boundLog(2)
    for (let o = 0; o < 10; o++) log.set({ p: 'a', o }, { v: o })
    store.commit()
    for await (const _ of log) break
    expect(store.openScans).to.equal(0)
    expect(await keyed(log.range({ p: 'a' }, { limit: 2 }))).to.deep.equal(['a0', 'a1'])
    expect(store.openScans).to.equal(0)
    store.failAfterPages = 3
    const seen: number[] = []
    const failing = (async () => {
      for await (const [{ o }] of log) seen.push(o)
    })()
    expect(
      await failing.then(
        () => 'ended',
        (e: Error) => e.message,
      ),
    ).to.equal('the connection was cut')
    expect(seen).to.deep.equal([0, 1, 2, 3, 4, 5])
    expect(await log.count().catch((e: Error) => e.message)).to.equal('the connection was cut')
  })

  it('many calls of next() at once give each row once', async () => {
    const { log, store } = boundLog(2)
    for (let o = 0; o < 5; o++) log.set({ p: 'a', o }, { v: o })
    store.commit()
    const rows = log[Symbol.asyncIterator]()
    const results = await Promise.all(Array.from({ length: 7 }, () => rows.next()))
    expect(results.map((r) => (r.done ? 'done' : r.value[0].o))).to.deep.equal([0, 1, 2, 3, 4, 'done', 'done'])
  })

  it('fetches about what is asked for', async () => {
    const { log, store } = boundLog(2)
    for (let o = 0; o < 100; o++) log.set({ p: 'a', o }, { v: o })
    store.commit()
    expect(await keyed(log.range({ p: 'a' }, { limit: 3, reverse: true }))).to.deep.equal(['a99', 'a98', 'a97'])
    expect(store.asked.pages).to.be.at.most(3)
  })

  it('refuses ranges that skip a column or pass the end', () => {
    const { log } = boundLog()
    expect(() => log.range({ o: 1 })).to.throw(ValidationError, /'p'/)
    expect(() => log.range({}, { from: { o: 1 } })).to.throw(ValidationError)
    expect(() => log.range({ p: 'a' }, { from: { p: 'a' } })).to.throw(ValidationError)
    expect(() => log.range({ p: 'a' }, { limit: -1 })).to.throw(ValidationError)
    expect(() => log.range({ p: 1 as never })).to.throw(ValidationError)
  })

  it('partition and order say how keys are laid out and ordered', async () => {
    const dict = new StorageDict({ a: t.i32, b: t.i32, c: t.i32 }, {}, { partition: ['c'], order: ['b', 'a'] })
    dict.setMany([
      [{ a: 1, b: 2, c: 3 }, {}],
      [{ a: 3, b: 2, c: 1 }, {}],
      [{ a: 0, b: 9, c: 1 }, {}],
    ])
    expect((await allOf(dict.keys())).map(({ a, b, c }) => [c, b, a])).to.deep.equal([
      [1, 2, 3],
      [1, 9, 0],
      [3, 2, 1],
    ])
    expect(dictSchemaOf(dict).keys.map((k) => k.name)).to.deep.equal(['c', 'b', 'a'])
    expect(dictSchemaOf(new StorageDict({ a: t.i32, b: t.i32 }, {}, { order: ['a'] }))).to.deep.include({ partition: 1 })
    expect((await allOf(dict.range({ c: 1 }, { from: { b: 3 } }))).map(([k]) => k)).to.deep.equal([{ c: 1, b: 9, a: 0 }])
  })

  it('prints what it is, shortly, without fetching (H34)', () => {
    const { log, store } = boundLog()
    expect(inspect(log)).to.equal('StorageDict { p: text, o: i32 → v: i32?, hits: counter } (0 unsaved)')
    expect(inspect({ deep: { deeper: { log } } })).to.not.contain('DictState')
    expect(inspect(makeLog())).to.contain('0 rows, volatile')
    expect(store.asked).to.deep.equal({ rows: 0, pages: 0, changed: 0 })
    expect(Object.keys(log)).to.deep.equal([])
  })

  it('cannot be used where the session says so', async () => {
    const { log, store } = boundLog()
    store.closed = true
    expect(() => log.set({ p: 'a', o: 1 }, {})).to.throw('closed')
    expect(await log.get({ p: 'a', o: 1 }).catch((e: Error) => e.message)).to.equal('closed')
    expect(await log.count().catch((e: Error) => e.message)).to.equal('closed')
    expect(await allOf(log).catch((e: Error) => e.message)).to.equal('closed')
  })

  describe('binding', () => {
    class Person {
      constructor(readonly name: string) {}
      getID(): null {
        return null
      }
    }
    const makeFriends = () =>
      new StorageDict({ who: t.ref(() => Person) }, { best: t.ref(() => Person).optional(), all: t.set(t.ref(() => Person)), n: t.counter })

    it('takes the volatile rows along, over what is stored (H9, H10)', async () => {
      const { log: first, store } = boundLog()
      first.set({ p: 'a', o: 1 }, { v: 1 })
      first.set({ p: 'b', o: 1 }, { v: 1 })
      store.commit()
      const second = makeLog()
      second.set({ p: 'a', o: 1 }, { v: 2 })
      second.set({ p: 'c', o: 1 }, { v: 2 })
      second.set({ p: 'b', o: 1 }, { v: 2 })
      second.delete({ p: 'b', o: 1 })
      bindDict(second, store)
      expect(store.asked.changed).to.equal(3)
      expect((await allOf(second)).map(([{ p }, { v }]) => [p, v])).to.deep.equal([
        ['a', 2],
        ['b', 1],
        ['c', 2],
      ])
    })

    it('references are the objects themselves, volatile and bound alike', async () => {
      const [ada, bob] = [new Person('ada'), new Person('bob')]
      const friends = makeFriends()
      friends.set({ who: ada }, { best: bob, all: [bob, ada, bob] })
      friends.add({ who: ada }, 'n', 2)
      const check = async (): Promise<void> => {
        const row = (await friends.get({ who: ada }))!
        expect(row.best).to.equal(bob)
        expect(row.all).to.deep.equal(new Set([ada, bob]))
        expect(row.n).to.equal(2n)
        expect(await friends.has({ who: bob })).to.equal(false)
      }
      await check()
      const store = new FakeStore(friends)
      const asked: object[] = []
      const ops = volatileRowOps(friends, store.stored, {
        refOf(o) {
          asked.push(o)
          return store.refOf(o)
        },
        resolve: () => undefined,
      })
      expect(new Set(asked)).to.deep.equal(new Set([ada, bob]))
      expect(ops.map((op) => op.do)).to.deep.equal(['row', 'add'])
      bindDict(friends, store)
      expect(store.buffered.toOps(store.stored)).to.deep.equal(ops)
      await check()
      const [op] = ops
      expect(op!.do === 'row' && (op!.key[0] as Ref).classId).to.equal('test#Person')
      store.commit()
      await check()
    })

    it('a refused reference leaves the dict volatile and whole', async () => {
      const friends = makeFriends()
      const ada = new Person('ada')
      friends.set({ who: ada }, { all: [] })
      const store = new FakeStore(friends)
      store.refOf = () => {
        throw new Error('of another store')
      }
      expect(() => bindDict(friends, store)).to.throw('of another store')
      expect(await friends.has({ who: ada })).to.equal(true)
      expect(store.buffered.count).to.equal(0)
    })

    it('unbinding keeps what is buffered', async () => {
      const { log, store } = boundLog()
      log.set({ p: 'a', o: 1 }, { v: 1 })
      store.commit()
      log.set({ p: 'b', o: 1 }, { v: 2 })
      log.delete({ p: 'a', o: 1 })
      unbindDict(log)
      expect(await keyed(log)).to.deep.equal(['b1'])
      expect(inspect(log)).to.contain('1 rows, volatile')
      unbindDict(log)
      expect(await keyed(log)).to.deep.equal(['b1'])
    })

    it('a dict made from stored columns reads and checks like the one of the class', async () => {
      const dict = new StorageDict(
        { a: t.text, b: t.tuple(t.i32, t.bool) },
        { m: t.map(t.text, t.list(t.f64)), s: t.set(t.uuid).optional(), vec: t.vector(2), c: t.counter },
        { partition: ['b'], writes: 'cas' },
      )
      const twin = dictFromSchema(JSON.parse(JSON.stringify(dictSchemaOf(dict))))
      expect(dictSchemaOf(twin)).to.deep.equal(dictSchemaOf(dict))
      const store = new FakeStore(dict)
      bindDict(dict, store)
      bindDict(twin, store)
      dict.set({ a: 'x', b: [1, true] }, { m: [['k', [1, 2]]], vec: [1, 2] })
      expect(await allOf(twin)).to.deep.equal(await allOf(dict))
      expect(() => twin.set({ a: 'x', b: [1, 2] }, {})).to.throw(ValidationError)
    })

    it('is recognised by its brand', () => {
      expect(isDict(makeLog())).to.equal(true)
      for (const other of [null, undefined, 1, {}, new Map()]) expect(isDict(other)).to.equal(false)
      expect(isDict({ [Symbol.for('insitu.StorageDict')]: 1 })).to.equal(true)
    })

    it('splits into parts that the binding gives; a volatile dict has none (H15)', async () => {
      const { log, store } = boundLog()
      for (let o = 0; o < 10; o++) log.set({ p: o < 5 ? 'a' : 'b', o }, { v: o })
      expect(await rejection(makeLog().split(2))).to.be.instanceOf(ValidationError)
      expect(await rejection(log.split(2))).to.be.instanceOf(UnsupportedError)
      const end = new Uint8Array([0xff])
      const at = new TextEncoder().encode('b')
      const part = (from: Uint8Array, to: Uint8Array): Piece => ({ table: store.stored.id, from, to, epoch: '' })
      const pieces = async (): Promise<Piece[]> => [part(new Uint8Array(0), at), part(at, end)]
      Object.assign(store, { unit: { store: { backend: { pieces } } } })
      const parts = await log.split(2)
      expect(await Promise.all(parts.map((p) => keyed(p)))).to.deep.equal([
        ['a0', 'a1', 'a2', 'a3', 'a4'],
        ['b5', 'b6', 'b7', 'b8', 'b9'],
      ])
      expect(new Set(parts.map((p) => p.pieceId)).size).to.equal(2)
      expect(log.pieceId).to.equal(undefined)
      const arrived = makeLog()
      bindDict(arrived, store)
      narrow(arrived, pieceOf(parts[1]!)!)
      expect(await keyed(arrived)).to.deep.equal(await keyed(parts[1]!))
      expect([arrived.pieceId, boundTable(arrived)]).to.deep.equal([parts[1]!.pieceId, store.stored])
      for (const n of [0, -1, 1.5, Number.NaN, '3']) expect(await rejection(log.split(n as number))).to.be.instanceOf(ValidationError)
    })
  })
})

const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (e: unknown) => e,
  )
