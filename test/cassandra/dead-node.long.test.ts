/** Three nodes of which one dies, or hangs, and what is told of it: to scans by pieces, and at each consistency. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { Backend, Op, Piece, Table } from '../../src/backend.js'
import { UnavailableError, UnknownOutcomeError } from '../../src/errors.js'
import { fieldOf, group, put, row, send, standing, tableOn, thing } from '../conformance/contract-kit.js'
import { type CassandraNode, CassandraRing, whyNoOwnCassandra } from '../servers/cassandra.js'
import { requireServer } from '../servers/require-server.js'
import { failureOf, Keyspace } from './kit.js'
import { WatchedDriver } from './watched-driver.js'

const PARTITIONS = 2000
const ROWS_EACH = 4
const NODES = 3
/** Servers need a while until they have noticed, more of it on a slow machine. */
const NOTICED_MS = 90_000

describe('cassandra: one of three nodes does not answer', function () {
  this.timeout(400_000)
  let ring: CassandraRing | undefined
  let keyspace: Keyspace
  let backend: Backend
  let table: Table
  /** By consistency. */
  const opened = new Map<string, Backend>()
  before(async function () {
    this.timeout(600_000)
    requireServer(this, whyNoOwnCassandra())
    ring = await CassandraRing.start({ nodes: NODES })
    keyspace = await Keyspace.on(ring, NODES)
    backend = await keyspace.open()
    table = await tableOn(backend)
    for (let o = 0n; o < ROWS_EACH; o++)
      await send(backend, ...Array.from({ length: PARTITIONS }, (_, i): Op => row(table.id, [`k${i}`, o], [o, 'x'.repeat(400), undefined])))
  })
  after(async () => {
    await Promise.all([...opened.values()].map((store) => store.close()))
    await backend?.close()
    await ring?.stop()
  })

  /** The pieces, with the node that each is asked of first. */
  async function located(): Promise<readonly { readonly piece: Piece; readonly node: CassandraNode }[]> {
    const pieces = await backend.pieces(table.id, 2 * NODES)
    const locations = await backend.locate(pieces)
    return pieces.map((piece, i) => ({ piece, node: ring!.nodes.find(({ files }) => files.address === locations[i]![0]!.host)! }))
  }

  /** Keys of a piece, noted as they come; `onPage` after the first page. */
  async function read(piece: Piece, seen: Map<string, number>, onPage = async (): Promise<void> => {}): Promise<void> {
    let isFirst = true
    for await (const page of backend.scan({ in: piece })) {
      for (const { key } of page) seen.set(key.join(' '), (seen.get(key.join(' ')) ?? 0) + 1)
      if (isFirst) await onPage()
      isFirst = false
    }
  }

  function assertEachOnce(seen: ReadonlyMap<string, number>): void {
    assert.equal(seen.size, PARTITIONS * ROWS_EACH)
    assert.deepEqual(
      [...seen].filter(([, times]) => times !== 1),
      [],
    )
  }

  it('a scan by pieces whose node is killed in the middle has every key once, and nobody notices', async () => {
    const all = await located()
    const victim = all[0]!.node
    const mine = all.filter(({ node }) => node === victim)
    assert.ok(mine.length > 1 && mine.length < all.length, 'its own pieces, and those of others')
    const seen = new Map<string, number>()
    let isKilled = false
    try {
      await read(mine[0]!.piece, seen, async () => {
        await victim.end()
        isKilled = true
      })
      assert.ok(isKilled)
      await Promise.all(all.filter((one) => one !== mine[0]).map(({ piece }) => read(piece, seen)))
      assertEachOnce(seen)
    } finally {
      await ring!.restart(victim)
    }
  })

  it('a node that hangs is waited for by one piece, not by all of its pieces', async () => {
    const driver = new WatchedDriver()
    const all = await located()
    const victim = all.find(({ node }) => node !== ring!.nodes[0])!.node
    const mine = all.filter(({ node }) => node === victim)
    const seen = new Map<string, number>()
    victim.signal('SIGSTOP')
    try {
      driver.asked.length = 0
      for (const { piece } of all) await read(piece, seen)
      assertEachOnce(seen)
      const asked = driver.asked.filter(({ node }) => node?.startsWith(`${victim.files.address}:`)).length
      assert.ok(asked > 0 && asked < mine.length, `asked ${asked} times for ${mine.length} pieces`)
    } finally {
      driver.end()
      victim.signal('SIGCONT')
    }
  })

  it('at each consistency a store opens and says how many copies it waits for; with a dead node those that want all three say so', async () => {
    const copies = { one: 0, localOne: 0, two: 1, quorum: 1, localQuorum: 1, eachQuorum: 1, three: 2, all: 2 } as const
    const stores = opened
    for (const [consistency, more] of Object.entries(copies)) {
      const store = await keyspace.open(`&consistency=${consistency}&patienceMs=2000`)
      stores.set(consistency, store)
      assert.deepEqual(store.capabilities.acks, ['committed', ...['replicated:1', 'replicated:2'].slice(0, more)], consistency)
    }
    const ref = thing()
    await send(backend, put(ref, { n: 0 }))
    for (const store of stores.values()) await use(store)
    const victim = ring!.nodes[2]!
    await victim.end()
    try {
      await noticed(stores.get('all')!)
      for (const [consistency, more] of Object.entries(copies)) {
        const store = stores.get(consistency)!
        if (more < 2) {
          await use(store)
          for (const ack of store.capabilities.acks) await store.flush(ack)
        } else await refuses(store, consistency)
      }
    } finally {
      await ring!.restart(victim)
    }
  })

  /** Makes, changes and reads an object and a row. */
  async function use(store: Backend): Promise<void> {
    const ref = thing()
    const { stamps } = await send(store, put(ref, { n: 1 }))
    await send(store, put(ref, { n: 2 }, stamps.get(ref.id)!))
    assert.equal(await fieldOf(backend, ref, 'n'), 2)
    await store.read([ref])
    await send(store, row(table.id, ['used', 0n], [1n, 'x', undefined]))
    await store.rows(table.id, [['used', 0n]])
    await send(store, row(table.id, ['used', 0n], null))
  }

  async function noticed(store: Backend): Promise<void> {
    for (const endMs = Date.now() + NOTICED_MS; ; await delay(100)) {
      const { code } = await failureOf(() => store.rows(table.id, [['k0', 0n]]))
      if (code === 'ERR_NO_QUORUM') return
      assert.ok(Date.now() < endMs, 'the servers do not notice that one of them is dead')
    }
  }

  async function refuses(store: Backend, consistency: string): Promise<void> {
    const named = new RegExp(`consistency=${consistency} wants 3, 2 alive`)
    for (const work of [
      () => store.rows(table.id, [['k0', 0n]]),
      () => store.read([thing()]),
      () => send(store, row(table.id, ['refused', 0n], [1n, 'x', undefined])),
    ]) {
      const error = await failureOf(work)
      assert.ok(error instanceof UnavailableError, inspect(error))
      assert.deepEqual([error.code, error.setting, error.level, error.alive], ['ERR_NO_QUORUM', 'consistency', consistency, 2])
      assert.match(error.message, named)
    }
    // Two nodes have agreed on it, and have it: that is not what was asked for.
    const ref = thing()
    await send(backend, put(ref, { n: 1 }))
    const save = group([put(ref, { n: 2 }, (await standing(backend, ref)).stamp)])
    for (const _ of ['at first', 'and sent again']) {
      const error = await failureOf(() => store.commit(save))
      assert.ok(error instanceof UnknownOutcomeError, inspect(error))
      assert.match(error.message, named)
    }
  }
})
