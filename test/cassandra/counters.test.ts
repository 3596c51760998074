/** Counters that are added to for long: old shares become one, and nothing of the sum changes. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { Client } from 'cassandra-driver'
import { v7 } from 'uuid'
import type { Backend, Table } from '../../src/backend.js'
import { type CommitId, newCommitId } from '../../src/ids.js'
import { add, group, now, row, send, tableOn } from '../conformance/contract-kit.js'
import { flat } from '../conformance/expect.js'
import type { CassandraSite } from '../servers/cassandra.js'
import { Keyspace, rawClient, siteFor } from './kit.js'

const HOUR_MS = 3_600_000
/** Of the tables of the contract kit. */
const COUNTER = 2

describe('cassandra: counters', function () {
  this.timeout(60_000)
  let site: CassandraSite
  let keyspace: Keyspace
  let backend: Backend
  let raw: Client
  before(async function () {
    site = await siteFor(this)
    keyspace = await Keyspace.on(site)
    backend = await keyspace.open('&ownTables=100')
    raw = await rawClient(site, { encoding: { map: Map, set: Set, useBigIntAsLong: true } })
  })
  after(async () => {
    await raw?.shutdown()
    await backend?.close()
    await keyspace?.drop()
  })

  /** As a program did an hour ago. */
  const longAgo = (nth: number): { readonly commit: CommitId; readonly atMicros: bigint } => {
    const ms = Date.now() - HOUR_MS + nth
    return { commit: v7({ msecs: ms }) as CommitId, atMicros: BigInt(ms) * 1000n }
  }

  async function added(table: Table, count: number, by = 1n): Promise<void> {
    await Promise.all(
      Array.from({ length: count }, (_, i) => {
        const { commit, atMicros } = longAgo(i)
        return backend.commit(group([add(table.id, ['k', 0n], COUNTER, by)], commit, atMicros))
      }),
    )
  }

  async function sharesOf(table: Table): Promise<number> {
    const dicts = await raw.execute(`SELECT id, table_name FROM ${keyspace.name}.insitu_dicts`)
    const name = dicts.rows.find((one) => String(one.id) === table.id)!.table_name as string
    const column = table.values[COUNTER]!.name
    const { rows } = await raw.execute(`SELECT "${column}" AS shares FROM ${keyspace.name}."${name}"`)
    return (rows[0]?.shares as Map<unknown, bigint> | null)?.size ?? 0
  }

  const sumOf = async (table: Table, from: Backend = backend): Promise<unknown> =>
    (await from.rows(table.id, [['k', 0n]]))[0]?.values[COUNTER]

  async function folded(table: Table, toAtMost: number): Promise<void> {
    for (let nth = 0; (await sharesOf(table)) > toAtMost; nth++) {
      assert.ok(nth < 100, `${await sharesOf(table)} shares`)
      await sumOf(table)
      await delay(50)
    }
  }

  for (const writes of ['lww', 'cas'] as const) {
    it(`old shares become one for whoever reads the row, by key or in a scan; new ones stay (${writes})`, async () => {
      const table = await tableOn(backend, writes)
      const count = writes === 'cas' ? 80 : 450
      await added(table, count)
      await send(backend, add(table.id, ['k', 0n], COUNTER, 5n))
      assert.equal(await sharesOf(table), count + 1)
      assert.deepEqual(
        (await flat(backend.scan({ in: table.id }))).map(({ values }) => values[COUNTER]),
        [BigInt(count) + 5n],
      )
      // At most 200 in one compare-and-set.
      await folded(table, writes === 'cas' ? 2 : 4)
      assert.equal(await sumOf(table), BigInt(count) + 5n)
    })

    it(`several who fold the same shares, while others add, count each once (${writes})`, async () => {
      const table = await tableOn(backend, writes)
      await added(table, 90, 3n)
      const others = await Promise.all([1, 2, 3].map(() => keyspace.open('&ownTables=100')))
      const adding = Promise.all(Array.from({ length: 20 }, () => send(backend, add(table.id, ['k', 0n], COUNTER, 1n))))
      for (let nth = 0; nth < 10; nth++) await Promise.all(others.map((other) => sumOf(table, other)))
      await adding
      await folded(table, 21)
      for (const other of [backend, ...others]) assert.equal(await sumOf(table, other), 290n)
      await Promise.all(others.map((other) => other.close()))
    })

    it(`a removal ends what was folded, and the counter begins anew (${writes})`, async () => {
      const table = await tableOn(backend, writes)
      await added(table, 70)
      await folded(table, 1)
      await send(backend, row(table.id, ['k', 0n], null))
      assert.deepEqual(await backend.rows(table.id, [['k', 0n]]), [undefined])
      await send(backend, add(table.id, ['k', 0n], COUNTER, 2n))
      assert.equal(await sumOf(table), 2n)
    })
  }

  it('shares that the servers cannot prevail against are left alone', async () => {
    const table = await tableOn(backend)
    const ahead = now() + BigInt(HOUR_MS) * 1000n
    await Promise.all(
      Array.from({ length: 70 }, (_, i) => backend.commit(group([add(table.id, ['k', 0n], COUNTER, 1n)], longAgo(i).commit, ahead))),
    )
    for (let nth = 0; nth < 5; nth++) {
      assert.equal(await sumOf(table), 70n)
      await delay(50)
    }
    assert.equal(await sharesOf(table), 70)
  })

  it('a commit that may come again keeps its share', async () => {
    const table = await tableOn(backend)
    const commits = Array.from({ length: 70 }, () => newCommitId())
    const send70 = (): Promise<unknown> =>
      Promise.all(commits.map((commit) => backend.commit(group([add(table.id, ['k', 0n], COUNTER, 1n)], commit))))
    await send70()
    assert.equal(await sumOf(table), 70n)
    await delay(300)
    await send70()
    assert.equal(await sumOf(table), 70n)
    assert.equal(await sharesOf(table), 70)
  })
})
