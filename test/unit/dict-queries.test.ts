/** A long file on purpose: `where`, aggregates, bulk loads and dicts that stand alone, against plain filters and sums. */
import { expect } from 'chai'
import fc from 'fast-check'
import { connect, StorageDict, StorageObject, type Store, t } from '../../runtime/index.js'
import type { Aggregates, Backend, Cell } from '../../src/backend.js'
import { UnsupportedError, ValidationError } from '../../src/errors.js'
import { allOf } from './dict-fake-store.js'

class Log extends StorageObject {
  rows = new StorageDict(
    { day: t.text, at: t.i32, f: t.f64 },
    {
      mood: t.i32.optional(),
      note: t.text.nullable().optional(),
      price: t.decimal.optional(),
      tags: t.set(t.text).optional(),
      hits: t.counter,
    },
  )
}

class Counts extends StorageDict.of({ word: t.text }, { n: t.i64 }) {
  total(): Promise<{ n: bigint | number }> {
    return this.aggregate({ n: ['sum', 'n'] })
  }
}

interface Flat {
  day: string
  at: number
  f: number
  mood?: number
  note?: string | null
}

const days = ['', 'a', 'b\0', 'b']
const row: fc.Arbitrary<Flat> = fc.record(
  {
    day: fc.constantFrom(...days),
    at: fc.integer({ min: -2, max: 2 }),
    f: fc.constantFrom(-0.5, 0, 1),
    mood: fc.integer({ min: 0, max: 2 }),
    note: fc.option(fc.constantFrom('x', 'é', 'x'.repeat(1500)), { nil: null }),
  },
  { requiredKeys: ['day', 'at', 'f'] },
)

const bytewise = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b))
const inOrder = (a: Flat, b: Flat): number => bytewise(a.day, b.day) || a.at - b.at || a.f - b.f

describe('queries of a dict', function () {
  this.timeout(60_000)
  let store: Store
  beforeEach(async () => {
    store = await connect('memory:')
  })
  afterEach(() => store.close())

  const persistent = <T extends StorageObject>(o: T): Promise<T> => store.run(() => o.makePersistent())
  const failure = (act: () => unknown): Promise<unknown> =>
    (async () => act())().then(
      () => undefined,
      (error: unknown) => error,
    )
  const flat = (entries: [object, object][]): Flat[] =>
    entries.map(([key, value]) => {
      const { hits: _, ...rest } = { ...key, ...value } as Flat & { hits: bigint }
      return rest
    })

  /** Rows of which the first few are stored, the others unsaved, or all volatile. */
  async function filled(rows: readonly Flat[], saved: number | undefined): Promise<{ log: Log; model: Flat[] }> {
    const log = new Log()
    const put = ({ day, at, f, ...values }: Flat): void => log.rows.set({ day, at, f }, values)
    rows.slice(0, saved ?? rows.length).forEach(put)
    if (saved !== undefined) {
      await persistent(log)
      rows.slice(saved).forEach(put)
    }
    const model = new Map(rows.map((r) => [JSON.stringify([r.day, r.at, r.f]), r]))
    return { log, model: [...model.values()].sort(inOrder) }
  }

  it('`where` gives what a plain filter gives, in key order, both ways, limited', async () => {
    const bounds = fc.record({ from: fc.integer({ min: -2, max: 2 }), to: fc.integer({ min: -2, max: 2 }) }, { requiredKeys: [] })
    const condition = fc.record(
      {
        day: fc.oneof(fc.constantFrom(...days), fc.array(fc.constantFrom(...days), { maxLength: 3 })),
        at: fc.oneof(fc.integer({ min: -2, max: 2 }), bounds),
        f: fc.constantFrom(0, 1),
        mood: fc.oneof(fc.integer({ min: 0, max: 2 }), bounds),
        note: fc.boolean(),
      },
      { requiredKeys: [] },
    )
    const holds = (wanted: unknown, value: unknown): boolean => {
      if (Array.isArray(wanted)) return wanted.includes(value)
      if (typeof wanted === 'boolean') return wanted === (value !== undefined && value !== null)
      if (typeof wanted !== 'object') return wanted === value
      const { from, to } = wanted as { from?: number; to?: number }
      if (from === undefined && to === undefined) return true
      return value !== undefined && (from === undefined || (value as number) >= from) && (to === undefined || (value as number) < to)
    }
    await fc.assert(
      fc.asyncProperty(
        fc.array(row, { maxLength: 30 }),
        fc.option(fc.nat(30), { nil: undefined }),
        condition,
        fc.boolean(),
        fc.option(fc.nat(5), { nil: undefined }),
        async (rows, saved, wanted, reverse, limit) => {
          const { log, model } = await filled(rows, saved)
          const where = Object.fromEntries(
            Object.entries(wanted)
              .map(([name, value]) => [name, Array.isArray(value) ? { in: value } : typeof value === 'boolean' ? { exists: value } : value])
              .filter(([, value]) => typeof value !== 'object' || Object.keys(value as object).length > 0),
          )
          const expected = model.filter((r) => Object.entries(wanted).every(([name, value]) => holds(value, r[name as keyof Flat])))
          if (reverse) expected.reverse()
          const got = flat(await allOf(log.rows.where(where, { scan: true, reverse, ...(limit !== undefined && { limit }) })))
          expect(got).to.deep.equal(expected.slice(0, limit))
        },
      ),
      { numRuns: 150 },
    )
  })

  it('`where` reads only the ranges that its conditions on keys allow', async () => {
    const { log } = await filled(
      Array.from({ length: 100 }, (_, at) => ({ day: at < 50 ? 'a' : 'b', at, f: 0 })),
      100,
    )
    const scanned: unknown[] = []
    const { backend } = store as { backend: Backend }
    const scan = backend.scan.bind(backend)
    backend.scan = (range, signal) => {
      scanned.push({ prefix: range.prefix, from: range.from, to: range.to })
      return scan(range, signal)
    }
    expect(await allOf(log.rows.where({ day: 'a', at: { from: 3, to: 5 }, f: 0 }))).to.have.length(2)
    expect(await allOf(log.rows.where({ day: 'b', at: { in: [60, 70] } }))).to.have.length(2)
    expect(scanned).to.deep.equal([
      { prefix: ['a'], from: [3], to: [5] },
      { prefix: ['b', 60], from: undefined, to: undefined },
      { prefix: ['b', 70], from: undefined, to: undefined },
    ])
  })

  it('`where` refuses what it cannot answer, and says why', async () => {
    const { rows } = await persistent(new Log())
    const cases: readonly [unknown, string][] = [
      [{}, 'ERR_WHERE_SCANS'],
      [{ at: 3 }, 'ERR_WHERE_SCANS'],
      [{ day: { from: 'a' } }, 'ERR_WHERE_SCANS'],
      [() => true, 'ERR_WHERE'],
      [{ day: 'a', mood: { above: 3 } }, 'ERR_WHERE'],
      [{ day: 'a', mood: {} }, 'ERR_WHERE'],
      [{ day: 'a', tags: { from: ['x'] } }, 'ERR_WHERE'],
      [{ day: 'a', mood: { has: 1 } }, 'ERR_WHERE'],
      [{ day: 'a', note: null }, 'ERR_WHERE'],
      [{ day: { in: 5 } }, 'ERR_WHERE'],
      [{ day: { in: Array.from({ length: 1001 }, (_, i) => `${i}`) } }, 'ERR_WHERE'],
      [{ day: 'a', mood: 'x' }, 'ERR_VALIDATION'],
      [{ day: 5 }, 'ERR_VALIDATION'],
      [{ nope: 1 }, 'ERR_VALIDATION'],
      [null, 'ERR_VALIDATION'],
    ]
    for (const [conditions, code] of cases)
      expect(await failure(() => allOf(rows.where(conditions as never))), JSON.stringify(conditions)).to.have.property('code', code)
    const said: readonly [unknown, RegExp][] = [
      [{ at: 3 }, /what 'day' equals .*declare an index.*allowFiltering/],
      [{ at: 3, mood: 1 }, /'mood' has no index/],
      [() => true, /not a function: a store cannot run one/],
      [{ day: 'a', mood: { above: 3 } }, /no condition 'above': there are in, from, to, has, exists/],
      [{ day: 'a', tags: { from: ['x'] } }, /'tags': its values have no order/],
      [{ day: { in: Array.from({ length: 1001 }, (_, i) => `${i}`) } }, /more than 1000 ranges/],
    ]
    for (const [conditions, why] of said)
      expect(await failure(() => allOf(rows.where(conditions as never))), JSON.stringify(conditions))
        .to.have.property('message')
        .that.matches(why)
  })

  it('conditions on sets, counters and decimals', async () => {
    const { rows } = await persistent(new Log())
    rows.set({ day: 'a', at: 1, f: 0 }, { tags: ['x', 'y'], price: '1.50' })
    rows.set({ day: 'a', at: 2, f: 0 }, { tags: [], price: '1.5' })
    rows.add({ day: 'a', at: 2, f: 0 }, 'hits', 3)
    const at = async (conditions: object): Promise<number[]> => (await allOf(rows.where({ day: 'a', ...conditions }))).map(([k]) => k.at)
    expect(await at({ tags: { has: 'y' } })).to.deep.equal([1])
    expect(await at({ price: '1.5' })).to.deep.equal([1, 2])
    expect(await at({ hits: { from: 1 } })).to.deep.equal([2])
    expect(await at({ hits: 0 })).to.deep.equal([1])
  })

  it('aggregates and groups equal plain sums, with rows stored, unsaved and volatile', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 30 }), fc.option(fc.nat(30), { nil: undefined }), async (rows, saved) => {
        const { log, model } = await filled(rows, saved)
        const ops = { rows: 'count', moods: ['count', 'mood'], sum: ['sum', 'mood'], first: ['min', 'note'], last: ['max', 'at'] } as const
        const plain = (of: readonly Flat[]): object => {
          const moods = of.flatMap(({ mood }) => (mood === undefined ? [] : [mood]))
          const notes = of.flatMap(({ note }) => (note === undefined || note === null ? [] : [note])).sort(bytewise)
          return {
            rows: of.length,
            moods: moods.length,
            sum: BigInt(moods.reduce((a, b) => a + b, 0)),
            first: notes[0],
            last: of.length === 0 ? undefined : Math.max(...of.map(({ at }) => at)),
          }
        }
        expect(await log.rows.aggregate(ops)).to.deep.equal(plain(model))
        expect(await log.rows.aggregate(ops, { prefix: { day: 'b' }, from: { at: 0 } })).to.deep.equal(
          plain(model.filter(({ day, at }) => day === 'b' && at >= 0)),
        )
        for (const by of [['day'], ['day', 'at'], ['mood'], ['at', 'mood']] as const) {
          const groups = new Map<string, Flat[]>()
          for (const r of model) {
            const key = JSON.stringify(by.map((name) => r[name] ?? null))
            groups.set(key, [...(groups.get(key) ?? []), r])
          }
          const got = await allOf(log.rows.groupBy(by, ops))
          expect(got.length).to.equal(groups.size)
          for (const [key, result] of got)
            expect(result).to.deep.equal(plain(groups.get(JSON.stringify(by.map((name) => key[name] ?? null)))!))
        }
      }),
      { numRuns: 60 },
    )
  })

  it('sums are exact, beyond 64 bits and with the scale of decimals', async () => {
    const sums = await persistent(new (class Sums extends StorageDict.of({ k: t.i32 }, { big: t.i64, price: t.decimal }) {})())
    for (let k = 0; k < 4; k++) sums.set({ k }, { big: 2n ** 63n - 1n, price: ['0.10', '-0.205', '1', '-0.995'][k]! })
    expect(await sums.aggregate({ big: ['sum', 'big'], price: ['sum', 'price'] })).to.deep.equal({
      big: 4n * (2n ** 63n - 1n),
      price: '-0.100',
    })
  })

  it('what has no sum or order is refused, and so are too many groups out of order', async () => {
    const { rows } = new Log()
    const wrong: readonly unknown[] = [
      { a: ['sum', 'note'] },
      { a: ['min', 'tags'] },
      { a: ['median', 'at'] },
      { a: ['sum', 'nope'] },
      { a: 'sum' },
      {},
    ]
    for (const ops of wrong) {
      const error = await failure(() => rows.aggregate(ops as never))
      expect(error instanceof UnsupportedError || error instanceof ValidationError, JSON.stringify(ops)).to.equal(true)
    }
    expect(await failure(() => allOf(rows.groupBy(['tags'], { n: 'count' })))).to.be.instanceOf(UnsupportedError)
    const many = new StorageDict({ a: t.i32, b: t.i32 }, {})
    for (let i = 0; i < 100_001; i++) many.set({ a: i % 2, b: i }, {})
    expect(await failure(() => allOf(many.groupBy(['b'], { n: 'count' })))).to.have.property('code', 'ERR_TOO_MANY_GROUPS')
    let groups = 0
    for await (const _ of many.groupBy(['a', 'b'], { n: 'count' })) groups++
    expect(groups).to.equal(100_001)
  })

  describe('a store that aggregates', () => {
    function asked(answer: () => readonly (readonly Cell[])[]): unknown[][] {
      const calls: unknown[][] = []
      const aggregates: Aggregates = {
        aggregate: async (range, by, ops) => {
          calls.push([range.prefix, by, ops])
          return answer()
        },
      }
      Object.assign(store.backend, { aggregates })
      return calls
    }

    it('is asked while nothing unsaved stands above it, and its answer taken', async () => {
      const { log } = await filled([{ day: 'a', at: 1, f: 0 }], 1)
      const calls = asked(() => [['a', 7, 12n]])
      expect(await allOf(log.rows.groupBy(['day'], { n: 'count', s: ['sum', 'at'] }, { prefix: { day: 'a' } }))).to.deep.equal([
        [{ day: 'a' }, { n: 7, s: 12n }],
      ])
      expect(calls).to.deep.equal([
        [
          ['a'],
          ['day'],
          [
            ['count', '*'],
            ['sum', 'at'],
          ],
        ],
      ])
      log.rows.set({ day: 'b', at: 1, f: 0 }, {})
      await log.rows.aggregate({ n: 'count' }, { prefix: { day: 'a' } })
      expect(calls).to.have.length(2)
      log.rows.set({ day: 'a', at: 2, f: 0 }, {})
      expect(await log.rows.aggregate({ n: 'count' }, { prefix: { day: 'a' } })).to.deep.equal({ n: 2 })
      expect(await log.rows.count()).to.equal(3)
      expect(calls).to.have.length(2)
    })

    it('that refuses is not needed; one that fails has failed', async () => {
      const { log } = await filled([{ day: 'a', at: 1, f: 0 }], 1)
      asked(() => {
        throw new UnsupportedError('not this one')
      })
      expect(await log.rows.aggregate({ n: 'count' })).to.deep.equal({ n: 1 })
      asked(() => {
        throw new Error('cut')
      })
      expect(await failure(() => log.rows.aggregate({ n: 'count' }))).to.have.property('message', 'cut')
    })
  })

  describe('bulk', () => {
    const rows = function* (n: number, from = 0): Generator<[{ word: string }, { n: number }]> {
      for (let i = from; i < n; i++) yield [{ word: `w${i}` }, { n: i }]
    }

    it('writes any number of rows, says how many, and repeats without harm', async () => {
      const counts = await persistent(new Counts())
      for (let i = 0; i < 2; i++) expect(await counts.bulk(rows(20_000))).to.equal(20_000)
      expect(await counts.count()).to.equal(20_000)
      expect((await counts.total()).n).to.equal(199_990_000n)
      expect(await counts.bulk([])).to.equal(0)
    })

    it('of equal keys the last wins, within a group and across', async () => {
      const counts = await persistent(new Counts())
      await counts.bulk([...rows(3), ...rows(9000), [{ word: 'w1' }, { n: -1 }], [{ word: 'w1' }, { n: -2 }]])
      expect(await counts.get({ word: 'w1' })).to.deep.equal({ n: -2n })
    })

    /** How many of some rows are taken while the store answers nothing; all are once it does. */
    async function takenAhead<R>(all: Iterable<R>, load: (counted: Iterable<R>) => Promise<number>): Promise<number> {
      let answer = (): void => {}
      const answers = new Promise<void>((resolve) => {
        answer = resolve
      })
      const commit = store.commit.bind(store)
      store.commit = async (ops, options) => {
        await answers
        return commit(ops, options)
      }
      let taken = 0
      const counted = function* (): Generator<R> {
        for (const row of all) {
          taken++
          yield row
        }
      }
      const loading = load(counted())
      for (let before = -1; before !== taken; ) {
        before = taken
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      const ahead = taken
      answer()
      expect(await loading).to.equal(taken)
      return ahead
    }

    it('takes rows only as fast as the store does', async () => {
      const counts = await persistent(new Counts())
      expect(await takenAhead(rows(60_000), (counted) => counts.bulk(counted))).to.be.within(4096, 20_000)
      expect(await counts.count()).to.equal(60_000)
    })

    it('takes few of them where they are large', async () => {
      const log = await persistent(new Log())
      const note = 'x'.repeat(300_000)
      const large = Array.from({ length: 100 }, (_, at) => [{ day: 'a', at, f: 0 }, { note }] as const)
      expect(await takenAhead(large, (counted) => log.rows.bulk(counted))).to.be.within(4, 20)
    })

    it('a refused row, a failing source, a full store and an abort end it with their error, and leave what was sent', async () => {
      const counts = await persistent(new Counts())
      expect(await failure(() => counts.bulk([...rows(5000), [{ word: 'x' }, { n: 'no' as never }]]))).to.be.instanceOf(ValidationError)
      expect(await counts.count()).to.equal(4096)
      const source = async function* (): AsyncGenerator<[{ word: string }, { n: number }]> {
        yield [{ word: 'y' }, { n: 1 }]
        throw new Error('source')
      }
      expect(await failure(() => counts.bulk(source()))).to.have.property('message', 'source')
      expect(await failure(() => counts.bulk(rows(5), { signal: AbortSignal.abort() }))).to.have.property('name', 'AbortError')
      store.commit = async () => {
        throw new Error('full')
      }
      expect(await failure(() => counts.bulk(rows(50_000)))).to.have.property('message', 'full')
    })

    it('needs a persistent dict, and references to persistent objects', async () => {
      expect(await failure(() => new Counts().bulk([]))).to.have.property('code', 'ERR_NOT_PERSISTENT')
      class Links extends StorageDict.of({ name: t.text }, { to: t.ref(() => Log) }) {}
      const links = await persistent(new Links())
      const log = new Log()
      expect(await failure(() => links.bulk([[{ name: 'a' }, { to: log }]]))).to.have.property('code', 'ERR_NOT_PERSISTENT')
      await persistent(log)
      await links.bulk([[{ name: 'a' }, { to: log }]])
      expect((await links.get({ name: 'a' }))?.to).to.equal(log)
    })

    it('unsaved writes of this program stay, and come later', async () => {
      const counts = await persistent(new Counts())
      counts.set({ word: 'w0' }, { n: 100 })
      await counts.bulk(rows(3))
      expect(await counts.get({ word: 'w0' })).to.deep.equal({ n: 100n })
      await counts.save()
      expect((await counts.total()).n).to.equal(103n)
    })
  })

  describe('nested records', () => {
    class Places extends StorageDict.of(
      { name: t.text },
      {
        at: t.record({ x: t.f64, y: t.f64, label: t.text.optional(), box: t.record({ w: t.i32 }).optional() }),
        path: t.list(t.record({ x: t.f64 })),
      },
    ) {}

    it('come back as they went in, without what was left out', async () => {
      const places = await persistent(new Places())
      const values = [
        { at: { x: 1.5, y: -0 }, path: [] },
        { at: { x: Number.NaN, y: 1, label: '', box: { w: 3 } }, path: [{ x: 1 }, { x: 2 }] },
      ]
      for (const [i, value] of values.entries()) places.set({ name: `${i}` }, value)
      await places.save()
      for (const [i, value] of values.entries()) expect(await places.get({ name: `${i}` })).to.deep.equal(value)
      expect(await allOf(places.where({ name: '0', at: { in: [{ x: 1.5, y: 0 }] } }))).to.have.length(0)
      expect(await allOf(places.where({ name: '0', at: { in: [{ x: 1.5, y: -0 }] } }))).to.have.length(1)
    })

    it('are checked field by field, and are no keys', () => {
      const places = new Places()
      for (const at of [{ x: 1 }, { x: 1, y: '2' }, { x: 1, y: 2, z: 3 }, { x: 1, y: 2, label: null }, [1, 2], { x: 1, y: 2, box: {} }])
        expect(() => places.set({ name: 'a' }, { at: at as never, path: [] }), JSON.stringify(at)).to.throw(ValidationError, /at/)
      expect(() => new StorageDict({ r: t.record({ x: t.i32 }) }, {})).to.throw(ValidationError)
      expect(() => t.set(t.record({ x: t.i32 }))).to.throw(ValidationError)
      expect(() => t.record({})).to.throw(ValidationError)
      expect(() => t.record({ n: t.counter as never })).to.throw(ValidationError)
    })
  })

  describe('a dict that stands alone', () => {
    it('is an object: with an id, aliases, and methods of its own', async () => {
      const counts = new Counts()
      counts.set({ word: 'a' }, { n: 1 })
      await store.run(() => counts.makePersistent('counts'))
      counts.set({ word: 'b' }, { n: 2 })
      await counts.save()
      const again = await connect(store.backend)
      const found = await again.run(() => Counts.getByAlias('counts'))
      expect(found).to.be.instanceOf(Counts).and.to.be.instanceOf(StorageObject)
      expect(found.getID()).to.equal(counts.getID())
      expect(await allOf(found)).to.deep.equal([
        [{ word: 'a' }, { n: 1n }],
        [{ word: 'b' }, { n: 2n }],
      ])
      expect((await found.total()).n).to.equal(3n)
      expect(await allOf(found.range({}, { reverse: true, limit: 1 }))).to.have.length(1)
      const parts = await found.split(2)
      expect((await Promise.all(parts.map((p) => p.count()))).reduce((a, b) => a + b, 0)).to.equal(2)
      await found.deletePersistent()
      expect(await failure(() => store.run(() => Counts.getByAlias('counts')))).to.have.property('code', 'ERR_NOT_FOUND')
    })
  })
})
