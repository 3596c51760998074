/** Three nodes, of which one dies and to which a fourth comes. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import type { Backend, Op, Ref, Table } from '../../src/backend.js'
import { UnavailableError, UnknownOutcomeError } from '../../src/errors.js'
import { fieldOf, put, row, send, tableOn, thing } from '../conformance/contract-kit.js'
import { flat } from '../conformance/expect.js'
import { assertOk, insitu, node } from '../integration/processes.js'
import { CassandraRing, whyNoOwnCassandra } from '../servers/cassandra.js'
import { requireServer } from '../servers/require-server.js'
import { root } from '../tools/test-files.js'
import { failureOf, Keyspace } from './kit.js'

const ROWS = 600
const example = (name: string): string => join(root, `dist/examples/${name}.js`)

/** Three nodes and their users may share a slow machine: what is to be seen is that nothing fails, not how long a node takes to notice. */
const PATIENT = '&patienceMs=60000'

describe('cassandra: a ring of three nodes', function () {
  this.timeout(300_000)
  let ring: CassandraRing | undefined
  let three: Keyspace
  let single: Keyspace
  before(async function () {
    this.timeout(600_000)
    requireServer(this, whyNoOwnCassandra())
    ring = await CassandraRing.start({ nodes: 3 })
    three = await Keyspace.on(ring, 3)
    single = await Keyspace.on(ring, 1)
  })
  after(async () => {
    await ring?.stop()
  })

  it('the first use of a class by programs at each node loses nothing', async () => {
    const programs = await Promise.all([1, 2, 3].map(() => three.open()))
    const made = await Promise.all(
      programs.map(async (backend, i) => {
        const ref = thing()
        await send(backend, put(ref, { v: i }))
        return ref
      }),
    )
    for (const backend of programs)
      assert.deepEqual(
        (await backend.read(made)).map((one) => one?.cells.get('v')),
        [0, 1, 2],
      )
    await Promise.all(programs.map((backend) => backend.close()))
  })

  it('what the ring promises is read from it: one further copy has what a quorum of three acknowledged', async () => {
    const backend = await three.open()
    assert.deepEqual(backend.capabilities.acks, ['committed', 'replicated:1'])
    await backend.flush('replicated:1')
    await backend.close()
  })

  it('pieces lie on the nodes that have their rows, and cover every key once', async () => {
    const backend = await single.open()
    const table = await filled(backend)
    const pieces = await backend.pieces(table.id, 12)
    assert.ok(pieces.length >= 12)
    const seen: string[] = []
    const hosts = new Set<string>()
    for (const [i, locations] of (await backend.locate(pieces)).entries()) {
      for (const { host } of locations) hosts.add(host)
      const bytes = locations.map((one) => one.bytes)
      assert.deepEqual(
        bytes,
        [...bytes].sort((a, b) => b - a),
        'largest share first',
      )
      for (const { key } of await flat(backend.scan({ in: pieces[i]! }))) seen.push(String(key[0]))
    }
    assert.deepEqual([...hosts].sort(), ['127.0.0.1', '127.0.0.2', '127.0.0.3'])
    assert.equal(seen.length, ROWS)
    assert.equal(new Set(seen).size, ROWS)
    await backend.close()
  })

  it('with three copies nobody notices the death of a node: nothing fails, nothing acknowledged is lost', async function () {
    this.timeout(400_000)
    const backend = await three.open(PATIENT)
    const table = await filled(backend)
    const objects = await Promise.all(Array.from({ length: 8 }, (_, i) => counterAt(backend, i)))
    const victim = ring!.nodes[2]!
    const until = Date.now() + 12_000
    const writers = objects.map((ref, i) => increments(backend, ref, table, i, until))
    await delay(3000)
    await victim.end()
    const scans = scansUntil(backend, table, until)
    const counts = await Promise.all(writers)
    await scans
    for (const [i, count] of counts.entries()) {
      assert.ok(count > 0)
      assert.equal(await fieldOf(backend, objects[i]!, 'n'), count)
      const [last] = await backend.rows(table.id, [[`w${i}`, 0n]])
      assert.equal(last!.values[0], BigInt(count))
    }
    await ring!.restart(victim)
    await backend.close()
  })

  it('bank: a node is killed while tellers move money, no teller notices, and no money is lost or made', async function () {
    this.timeout(600_000)
    this.retries(1) // a teller gives a transfer up after 15 s, whatever the machine has to do
    const stores = [three.url, (await Keyspace.on(ring!, 3)).url].map((url) => `${url}${PATIENT}`)
    const tellers = ['anna', 'bert', 'cleo'].map((name) => node([example('bank/teller'), name, '25', ...stores]))
    const victim = ring!.nodes[1]!
    await delay(6000)
    await victim.end()
    try {
      for (const teller of await Promise.all(tellers)) assert.match(assertOk(teller).stdout, /25 transfers/)
      assert.equal(assertOk(await node([example('bank/audit'), ...stores])).stdout, '10000 in 10 accounts of two stores\n')
    } finally {
      await ring!.restart(victim)
    }
    assert.equal(assertOk(await node([example('bank/audit'), ...stores])).stdout, '10000 in 10 accounts of two stores\n')
  })

  it('histogram with --hosts 3: each logical host is near one node, and tasks run beside their data', async () => {
    const run = async (...more: string[]): Promise<string[]> =>
      assertOk(
        await insitu([
          'run',
          '--json',
          '--storage',
          (await Keyspace.on(ring!, 1)).url,
          '--hosts',
          '3',
          ...more,
          example('histogram/main'),
          '3',
        ]),
      )
        .stdout.trimEnd()
        .split('\n')
    const share = (lines: readonly string[]): number => (JSON.parse(lines.at(-1)!) as { nearShare: number }).nearShare
    const [near, anywhere] = [await run(), await run('--placement', 'off')]
    assert.deepEqual([share(near), share(anywhere)], [1, 0])
    assert.equal(near.length, 17)
    assert.deepEqual(near.slice(0, -1), anywhere.slice(0, -1))
  })

  it('where two of three nodes hang a read is ERR_STORE_TIMEOUT or ERR_NO_QUORUM, a write is told to be unknown, and both say why', async () => {
    const backend = await three.open('&patienceMs=4000')
    const table = await tableOn(backend)
    await send(backend, row(table.id, ['k', 0n], [1n, 'x', undefined]))
    const hung = ring!.nodes.slice(1, 3)
    for (const one of hung) one.signal('SIGSTOP')
    try {
      const write = await failureOf(() => send(backend, row(table.id, ['k', 0n], [2n, 'x', undefined])))
      assert.ok(write instanceof UnknownOutcomeError, inspect(write))
      assert.match(write.message, /write_request_timeout|nodetool status/)
      const read = await failureOf(() => backend.rows(table.id, [['k', 0n]]))
      assert.ok(read instanceof UnavailableError, inspect(read))
      assert.ok(['ERR_STORE_TIMEOUT', 'ERR_NO_QUORUM'].includes(read.code), inspect(read))
      assert.match(read.message, /request_timeout|nodetool status/)
    } finally {
      for (const one of hung) one.signal('SIGCONT')
    }
    for (const endMs = Date.now() + 60_000; ; await delay(500)) {
      const [found] = await backend.rows(table.id, [['k', 0n]]).catch(() => [])
      if (found) break
      assert.ok(Date.now() < endMs, 'the ring does not come back')
    }
    await backend.close()
  })

  it('where keys lie is known again after a fourth node has come, and a scan meanwhile has each key once', async function () {
    this.timeout(400_000)
    const backend = await single.open(PATIENT)
    const table = await filled(backend)
    const joined = ring!.join()
    let isDone = false
    const done = joined.then(() => (isDone = true))
    while (!isDone) {
      const keys = (await flat(backend.scan({ in: table.id }))).map(({ key }) => String(key[0]))
      assert.equal(keys.length, ROWS)
      assert.equal(new Set(keys).size, ROWS)
    }
    await done
    let hosts: string[] = []
    for (const endMs = Date.now() + 60_000; !hosts.includes('127.0.0.4') && Date.now() < endMs; await delay(500))
      hosts = (await backend.locate(await backend.pieces(table.id, 64))).flatMap((locations) => locations.map(({ host }) => host as string))
    assert.ok(hosts.includes('127.0.0.4'), `only ${[...new Set(hosts)].join(', ')}`)
    await backend.close()
  })

  async function filled(backend: Backend): Promise<Table> {
    const table = await tableOn(backend)
    const ops = Array.from({ length: ROWS }, (_, i): Op => row(table.id, [`k${i}`, 0n], [BigInt(i), 'x', undefined]))
    await Promise.all(ops.map((op) => send(backend, op)))
    return table
  }

  async function counterAt(backend: Backend, i: number): Promise<Ref> {
    const ref = thing()
    await send(backend, put(ref, { n: 0, i }))
    return ref
  }

  /** Changes an object and a row as often as there is time, each change upon the one before. */
  async function increments(backend: Backend, ref: Ref, table: Table, i: number, untilMs: number): Promise<number> {
    let [stored] = await backend.read([ref])
    let n = 0
    for (; Date.now() < untilMs; ) {
      const receipt = await send(backend, put(ref, { n: n + 1 }, stored!.stamp))
      n++
      stored = { ...stored!, stamp: receipt.stamps.get(ref.id)! }
      await send(backend, row(table.id, [`w${i}`, 0n], [BigInt(n), undefined, undefined]))
    }
    return n
  }

  async function scansUntil(backend: Backend, table: Table, untilMs: number): Promise<void> {
    while (Date.now() < untilMs) {
      const keys = (await flat(backend.scan({ in: table.id }))).map(({ key }) => String(key[0])).filter((key) => key.startsWith('k'))
      assert.equal(new Set(keys).size, ROWS)
      assert.equal(keys.length, ROWS)
    }
  }
})
