import assert from 'node:assert/strict'
import type { Backend, Key, Op, Range, StoredRow, Table } from '../../src/backend.js'
import { ConflictError, NotFoundError, SchemaMismatchError } from '../../src/errors.js'
import { newTableId } from '../../src/ids.js'
import { type Case, law } from './case.js'
import { add, group, now, row, send, tableOn, thing } from './contract-kit.js'
import { all, flat, refused } from './expect.js'

const key = (p: string, o: number): Key => [p, BigInt(o)]
const keysOf = (rows: readonly StoredRow[]): string[] => rows.map((r) => r.key.join('/'))
const one = async (backend: Backend, table: Table, at: Key): Promise<StoredRow | undefined> => (await backend.rows(table.id, [at]))[0]

/** A table whose partition `p` holds the rows 0..count-1, with a row before and one after it in other partitions. */
async function filled(backend: Backend, count: number): Promise<Table> {
  const table = await tableOn(backend)
  await send(backend, row(table.id, key('a', 0), [0n, 'before', undefined]))
  await send(backend, row(table.id, key('z', 0), [0n, 'after', undefined]))
  const ops = Array.from({ length: count }, (_, o) => row(table.id, key('p', o), [BigInt(o), undefined, undefined]))
  for (let at = 0; at < ops.length; at += 500) await send(backend, ...ops.slice(at, at + 500))
  return table
}

/** The backend alone: tables and rows. */
export const contractRows: readonly Case[] = [
  law(
    'B40',
    'defining a table twice is one table, with other columns a mismatch, and dropping it ends it',
    async ({ store: { backend } }) => {
      const table = await tableOn(backend)
      await backend.define(table)
      await refused(SchemaMismatchError, () => backend.define({ ...table, values: [{ name: 'n', type: 'text' }] }))
      const seen = await backend.table(table.id)
      assert.deepEqual(
        seen?.keys.map((k) => [k.name, k.type]),
        [
          ['p', 'text'],
          ['o', 'i64'],
        ],
      )
      assert.equal(seen?.owner.id, table.owner.id)
      await send(backend, row(table.id, key('p', 1), [1n, undefined, undefined]))
      await backend.drop(table.id)
      await backend.drop(table.id)
      assert.equal(await backend.table(table.id), undefined)
      assert.equal(await backend.table(newTableId()), undefined)
    },
  ),

  law('B41', 'rows come back in the order asked, unset values unset, removed ones gone', async ({ store: { backend } }) => {
    const table = await tableOn(backend)
    await send(backend, row(table.id, key('p', 1), [1n, 'one', undefined]), row(table.id, key('p', 2), [2n, undefined, undefined]))
    const found = await backend.rows(table.id, [key('p', 2), key('p', 9), key('p', 1)])
    assert.deepEqual(
      found.map((r) => r?.values.slice(0, 2)),
      [[2n, undefined], undefined, [1n, 'one']],
    )
    assert.deepEqual(found[0]!.key, ['p', 2n])
    await send(backend, row(table.id, key('p', 1), null))
    assert.equal(await one(backend, table, key('p', 1)), undefined)
    assert.deepEqual(keysOf(await flat(backend.scan({ in: table.id }))), ['p/2'])
  }),

  law(
    'B42',
    'among writers of a row the latest clock wins, and applying the older one later changes nothing',
    async ({ store: { backend } }) => {
      const table = await tableOn(backend)
      const at = now()
      const write = (n: bigint, when: bigint): Promise<unknown> =>
        backend.commit(group([row(table.id, key('p', 1), [n, undefined, undefined])], undefined, when))
      await write(2n, at)
      await write(9n, at - 5n)
      const kept = await one(backend, table, key('p', 1))
      assert.equal(kept?.values[0], 2n)
      assert.equal(kept?.atMicros, at)
      await write(1n, at + 1n)
      assert.equal((await one(backend, table, key('p', 1)))?.values[0], 1n)
    },
  ),

  law('B43', 'ties between writers of a row end the same in either order', async ({ store: { backend } }) => {
    const table = await tableOn(backend)
    const at = now()
    const ends: unknown[] = []
    for (const [o, values] of [
      [1, [5n, 6n]],
      [2, [6n, 5n]],
    ] as const) {
      for (const n of values) await backend.commit(group([row(table.id, key('p', o), [n, undefined, undefined])], undefined, at))
      ends.push((await one(backend, table, key('p', o)))?.values[0])
    }
    assert.equal(ends[0], ends[1])
  }),

  law('B44', 'in a table with compare-and-set a row changed underneath is a conflict', async ({ store: { backend } }) => {
    const table = await tableOn(backend, 'cas')
    const set = (n: bigint, expect: bigint | null): Promise<unknown> =>
      send(backend, { do: 'row', table: table.id, key: key('p', 1), set: [n, undefined, undefined], expect })
    await set(1n, null)
    const first = (await one(backend, table, key('p', 1)))!.atMicros
    await refused(ConflictError, () => set(2n, null))
    await new Promise((resolve) => setTimeout(resolve, 2))
    await set(2n, first)
    await refused(ConflictError, () => set(3n, first))
    assert.equal((await one(backend, table, key('p', 1)))?.values[0], 2n)
  }),

  law(
    'B45',
    'counters add up from nothing, once per commit id, and a row written whole keeps them',
    async ({ store: { backend }, program }) => {
      const table = await tableOn(backend)
      const first = group([add(table.id, key('p', 1), 2, 5n)])
      await backend.commit(first)
      await backend.commit(first)
      await send((await program()).backend, add(table.id, key('p', 1), 2, -2n))
      await backend.commit(first)
      assert.equal((await one(backend, table, key('p', 1)))?.values[2], 3n)
      await send(backend, row(table.id, key('p', 1), [7n, 'seven', undefined]))
      assert.deepEqual((await one(backend, table, key('p', 1)))?.values, [7n, 'seven', 3n])
    },
  ),

  // As a transaction sends a row that it has removed and set again: both have the group's time.
  law('I490', 'a row that a group removes and writes anew stands, without what it had counted', async ({ store: { backend } }) => {
    const table = await tableOn(backend)
    const [at, other] = [key('p', 1), key('p', 2)]
    await send(backend, row(table.id, at, [7n, 'seven', undefined]), add(table.id, at, 2, 5n))
    const anew: Op[] = [row(table.id, at, null), row(table.id, at, [8n, undefined, undefined]), add(table.id, at, 2, 1n)]
    const sent = group([...anew, row(table.id, other, null), row(table.id, other, [9n, 'nine', undefined])])
    for (let nth = 0; nth < 2; nth++) {
      await backend.commit(sent)
      assert.deepEqual((await one(backend, table, at))?.values, [8n, undefined, 1n])
      assert.deepEqual((await one(backend, table, other))?.values, [9n, 'nine', undefined])
    }
  }),

  law(
    'I491',
    'a table that is not there is not found, by groups and by reads, and such a group leaves nothing',
    async ({ store: { backend } }) => {
      const [id, home] = [newTableId(), thing()]
      const { keys, partition, values, writes } = await tableOn(backend)
      const missing: Table = { id, owner: home, keys, partition, values, writes }
      const at = key('p', 1)
      for (const op of [row(id, at, [1n, undefined, undefined]), row(id, at, null), add(id, at, 2, 1n)])
        await refused(NotFoundError, () => send(backend, op))
      await refused(NotFoundError, () => backend.rows(id, [at]))
      await refused(NotFoundError, () => all(backend.scan({ in: id })))
      assert.equal(await backend.table(id), undefined)
      await backend.define(missing)
      assert.deepEqual(await backend.rows(id, [at]), [undefined])
      await backend.drop(id)
      await refused(NotFoundError, () => backend.rows(id, [at]))
    },
  ),

  law('B46', 'concurrent adds are all counted', async ({ store: { backend }, program }) => {
    const table = await tableOn(backend)
    const other = (await program()).backend
    await Promise.all(Array.from({ length: 40 }, (_, i) => send(i % 2 ? backend : other, add(table.id, key('p', 1), 2, BigInt(i)))))
    assert.equal((await one(backend, table, key('p', 1)))?.values[2], 780n)
  }),

  law('B47', 'a scan gives a partition in key order, within its bounds, either way round', async ({ store: { backend } }) => {
    const table = await tableOn(backend)
    for (const o of [5, -3, 100, 0, 20]) await send(backend, row(table.id, key('p', o), [BigInt(o), undefined, undefined]))
    await send(backend, row(table.id, key('q', 1), [1n, undefined, undefined]))
    const scan = async (range: Omit<Range, 'in'>): Promise<string[]> => keysOf(await flat(backend.scan({ in: table.id, ...range })))
    const prefix: Key = ['p']
    assert.deepEqual(await scan({ prefix }), ['p/-3', 'p/0', 'p/5', 'p/20', 'p/100'])
    assert.deepEqual(await scan({ prefix, reverse: true }), ['p/100', 'p/20', 'p/5', 'p/0', 'p/-3'])
    assert.deepEqual(await scan({ prefix, from: [0n], to: [100n] }), ['p/0', 'p/5', 'p/20'])
    assert.deepEqual(await scan({ prefix, from: [0n], to: [100n], reverse: true }), ['p/20', 'p/5', 'p/0'])
    assert.deepEqual(await scan({ prefix, from: [1n] }), ['p/5', 'p/20', 'p/100'])
    assert.deepEqual(await scan({ prefix, to: [0n] }), ['p/-3'])
    assert.deepEqual(await scan({ prefix, limit: 2 }), ['p/-3', 'p/0'])
    assert.deepEqual(await scan({ prefix, limit: 2, reverse: true }), ['p/100', 'p/20'])
    assert.deepEqual(await scan({ prefix: ['none'] }), [])
    assert.deepEqual(await scan({ prefix: ['p', 5n] }), ['p/5'])
  }),

  law('B48', 'a scan over 3000 rows gives each exactly once, also when left early and begun again', async ({ store: { backend } }) => {
    const table = await filled(backend, 3000)
    for (let i = 0; i < 20; i++) for await (const page of backend.scan({ in: table.id })) if (page.length > 0) break
    const seen = await all(backend.scan({ in: table.id }))
    const keys = keysOf(seen.flat())
    assert.equal(keys.length, 3002)
    assert.equal(new Set(keys).size, 3002)
    const inOrder = keysOf(await flat(backend.scan({ in: table.id, prefix: ['p'] })))
    assert.deepEqual(
      inOrder,
      Array.from({ length: 3000 }, (_, o) => `p/${o}`),
    )
  }),

  law('B49', 'pieces cover each key exactly once, the same ones each time, also when split again', async ({ store: { backend } }) => {
    const table = await filled(backend, 1000)
    const pieces = await backend.pieces(table.id, 4)
    assert.ok(pieces.length >= 1)
    assert.deepEqual(await backend.pieces(table.id, 4), pieces)
    const rowsOf = async (list: typeof pieces): Promise<string[]> =>
      (await Promise.all(list.map((piece) => flat(backend.scan({ in: piece }))))).flatMap(keysOf).sort()
    const whole = keysOf(await flat(backend.scan({ in: table.id }))).sort()
    assert.equal(whole.length, 1002)
    assert.deepEqual(await rowsOf(pieces), whole)
    const again = (await Promise.all(pieces.map((piece) => backend.pieces(piece, 2)))).flat()
    assert.deepEqual(await rowsOf(again), whole)
    for (const locations of await backend.locate(pieces)) assert.ok(locations.length >= 1)
  }),

  law('B50', 'a row that conflicts leaves the rows before it in the group unwritten', async ({ store: { backend } }) => {
    const table = await tableOn(backend, 'cas')
    const write = (o: number, n: bigint, expect: bigint | null): Parameters<typeof send>[1] => ({
      do: 'row',
      table: table.id,
      key: key('p', o),
      set: [n, undefined, undefined],
      expect,
    })
    await send(backend, write(2, 1n, null))
    await refused(ConflictError, () => send(backend, write(1, 9n, null), add(table.id, key('p', 3), 2, 1n), write(2, 9n, null)))
    const found = await backend.rows(table.id, [key('p', 1), key('p', 2), key('p', 3)])
    assert.deepEqual(
      found.map((r) => r?.values[0]),
      [undefined, 1n, undefined],
    )
    assert.equal(found[2], undefined)
  }),

  law('B51', 'text keys are ordered by their UTF-8 bytes, and hard keys are kept apart', async ({ store: { backend } }) => {
    const table: Table = {
      id: newTableId(),
      owner: thing(),
      keys: [
        { name: 'p', type: 'text' },
        { name: 'k', type: 'text' },
      ],
      partition: 1,
      values: [{ name: 'n', type: 'i32' }],
      writes: 'lww',
    }
    await backend.define(table)
    const hard = [
      '',
      '\u0000',
      '\u0000\u0000',
      '\u0001',
      ' ',
      'A',
      'a',
      'a\u0000',
      'a\u0000b',
      'aa',
      'b',
      '__proto__',
      'é',
      '東',
      '\uffee',
      '🦊',
    ]
    const ordered = [...hard].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    await send(backend, ...hard.map((k, i) => row(table.id, ['p', k], [i])))
    const seen = (await flat(backend.scan({ in: table.id, prefix: ['p'] }))).map((r) => r.key[1])
    assert.deepEqual(seen, ordered)
    const found = await backend.rows(
      table.id,
      hard.map((k) => ['p', k]),
    )
    assert.deepEqual(
      found.map((r) => r?.values[0]),
      hard.map((_, i) => i),
    )
  }),
]
