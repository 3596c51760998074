/** What travels to Cassandra in one request: partitions that the same nodes hold, no more than servers take, and each whole. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect } from 'chai'
import { configOf } from '../../backends/cassandra/cassandra-config.js'
import {
  CassandraLink,
  type Page,
  type Param,
  type ReadOptions,
  type Row,
  type Statement,
} from '../../backends/cassandra/cassandra-link.js'
import { ChunkStore } from '../../backends/cassandra/chunk-store.js'
import type { ClassTable } from '../../backends/cassandra/class-tables.js'
import { NameIndex } from '../../backends/cassandra/name-index.js'
import { ObjectMaker, type Put } from '../../backends/cassandra/object-maker.js'
import { bytesOf } from '../../backends/cassandra/param-bytes.js'
import { PartitionWriter, type Writes } from '../../backends/cassandra/partition-writer.js'
import { Ring } from '../../backends/cassandra/ring.js'
import { TogetherReader, type Wanted } from '../../backends/cassandra/together-reader.js'
import { Ref } from '../../src/backend.js'
import { UnavailableError, ValidationError } from '../../src/errors.js'
import { type ClassId, newCommitId, newId } from '../../src/ids.js'

/** Remembers what it is asked for; its ring has three nodes, and every key two of them, by its first letter. */
class Servers extends CassandraLink {
  readonly batches: (readonly string[])[] = []
  readonly asked: { readonly keys: readonly string[]; readonly routingKey: string | undefined }[] = []
  readonly rows = new Map<string, string>()
  refuses: (keys: readonly string[]) => Error | undefined = () => undefined

  constructor() {
    super(configOf('cassandra://127.0.0.1:1/shop'))
  }

  override async writeAll(statements: readonly Statement[]): Promise<void> {
    const keys = statements.map(({ params }) => params[0] as string)
    this.batches.push(keys)
    await nextTurn()
    const error = this.refuses(keys)
    if (error) throw error
  }

  override async read(_query: string, [keys]: readonly Param[], { routingKey }: ReadOptions = {}): Promise<Page> {
    this.asked.push({ keys: keys as string[], routingKey: routingKey?.toString() })
    const found = new Set(keys as string[])
    return { rows: [...this.rows].filter(([k]) => found.has(k)).map(([k, v]) => ({ k, v }) as object as Row), next: undefined }
  }

  override get client(): never {
    const host = (address: string): object => ({ address, tokens: [1] })
    const all = ['a', 'b', 'c'].map(host)
    const holding = { a: ['a', 'b'], b: ['b', 'c'] } as Readonly<Record<string, readonly string[]>>
    const token = (n: bigint): object => ({ getValue: () => n, of: n < 0n ? 'a' : 'b' })
    return {
      hosts: { values: () => all },
      metadata: {
        getTokenRanges: () =>
          new Set(
            [[-(2n ** 63n), -1n] as const, [-1n, 2n ** 63n - 1n] as const].map(([from, to]) => ({ start: token(from), end: token(to) })),
          ),
        newToken: (key: Buffer) => ({ of: key.toString().slice(0, 1) }),
        getReplicas: (_: string, { of }: { readonly of: string }) => holding[of]!.map(host),
      },
    } as never
  }
}

const rowOf = (key: string, text = ''): Statement => ({ query: 'INSERT', params: [key, text] })
const writesOf = (key: string, ...texts: readonly string[]): Writes => ({
  partition: key,
  key: () => Buffer.from(key),
  statements: (texts.length > 0 ? texts : ['']).map((text) => rowOf(key, text)),
})
const setOf = (keys: readonly string[]): string => [...new Set(keys.map((key) => key[0]))].join('')
const keysOf = (letter: string, count: number): string[] => Array.from({ length: count }, (_, n) => `${letter}${n}`)

describe('cassandra: writes that travel together', () => {
  let servers: Servers
  let writer: PartitionWriter
  beforeEach(() => {
    servers = new Servers()
    writer = new PartitionWriter(servers, new Ring(servers))
  })

  it('are of one set of nodes, and of ten partitions at most', async () => {
    const keys = [...keysOf('a', 25), ...keysOf('b', 12)].sort(() => Math.random() - 0.5)
    await Promise.all(keys.map((key) => writer.write(writesOf(key))))
    expect(servers.batches.flat().sort()).to.deep.equal(keys.sort())
    expect(servers.batches.map((batch) => [setOf(batch), batch.length]).sort()).to.deep.equal([
      ['a', 10],
      ['a', 10],
      ['a', 5],
      ['b', 10],
      ['b', 2],
    ])
  })

  it('are small: servers complain of 5 KiB of several partitions, not of one', async () => {
    const keys = keysOf('a', 6)
    await Promise.all([
      ...keys.map((key) => writer.write(writesOf(key, 'x'.repeat(1500)))),
      writer.write(writesOf('a6', ...Array<string>(50).fill('y'.repeat(1000)))),
    ])
    const small = servers.batches.filter((batch) => !batch.includes('a6'))
    expect(small.map((batch) => batch.length)).to.deep.equal([2, 2, 2])
    expect(servers.batches.filter((batch) => batch.includes('a6'))).to.deep.equal([Array<string>(50).fill('a6')])
  })

  it('hold a partition whole, whoever writes to it in one turn', async () => {
    await Promise.all([writer.write(writesOf('a1', '1', '2')), writer.write(writesOf('a2')), writer.write(writesOf('a1', '3'))])
    expect(servers.batches).to.deep.equal([['a1', 'a1', 'a1', 'a2']])
  })

  it('are told where nobody can say which nodes hold them, and later ones go on', async () => {
    const ring = new Ring(servers)
    const lost = { shares: ring.shares.bind(ring) }
    const onLost = new PartitionWriter(servers, lost)
    const maker = new ObjectMaker(servers, new ChunkStore(servers), new NameIndex(servers), onLost, new Set())
    lost.shares = () => {
      throw new UnavailableError('the store is closed')
    }
    const put: Put = { do: 'put', ref: new Ref(newId(), 'a' as ClassId), set: new Map(), expect: 'absent', isNew: true }
    const table: ClassTable = { classId: put.ref.classId, table: 'a', kinds: new Map() }
    const made = maker.make({ commit: newCommitId(), atMicros: 1n, ops: [put] }, put, table)
    for (const ended of await Promise.allSettled([onLost.write(writesOf('a1')), onLost.write(writesOf('b1')), made]))
      expect(ended).to.have.property('reason').that.is.an.instanceOf(UnavailableError)
    lost.shares = ring.shares.bind(ring)
    await onLost.write(writesOf('a1'))
    expect(servers.batches).to.deep.equal([['a1']])
  })

  it('fail alone: one that the servers refuse does not take the others with it', async () => {
    servers.refuses = (keys) => (keys.includes('a3') ? new ValidationError('too large', { code: 'ERR_CELL_TOO_LARGE' }) : undefined)
    const ends = await Promise.allSettled(keysOf('a', 5).map((key) => writer.write(writesOf(key))))
    expect(ends.map(({ status }) => status)).to.deep.equal(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  })

  it('fail alone, too, where the table of one is gone', async () => {
    servers.refuses = (keys) => (keys.includes('a3') ? new UnavailableError('table rows does not exist', { isTableGone: true }) : undefined)
    const ends = await Promise.allSettled(keysOf('a', 5).map((key) => writer.write(writesOf(key))))
    expect(ends.map(({ status }) => status)).to.deep.equal(['fulfilled', 'fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
  })

  it('are told together that nobody answers: to ask for each again would take as long again', async () => {
    servers.refuses = () => new UnavailableError('no node is up')
    const ends = await Promise.allSettled(keysOf('a', 5).map((key) => writer.write(writesOf(key))))
    expect(new Set(ends.map(({ status }) => status))).to.deep.equal(new Set(['rejected']))
    expect(servers.batches.length).to.equal(1)
  })

  it('of a share: each is told of its own', async () => {
    servers.refuses = (keys) => (keys.includes('b1') ? new ValidationError('too large') : undefined)
    const told: string[] = []
    const share = keysOf('b', 3).map((key) => ({ ...writesOf(key), resolve: () => told.push(key), reject: () => told.push(`no ${key}`) }))
    await writer.sendShare(share)
    expect(told.sort()).to.deep.equal(['b0', 'b2', 'no b1'])
  })
})

describe('cassandra: reads that travel together', () => {
  const wanted = (keys: readonly string[]): Wanted[] => keys.map((key) => ({ param: key, key: () => Buffer.from(key) }))
  let servers: Servers
  let reader: TogetherReader
  beforeEach(() => {
    servers = new Servers()
    reader = new TogetherReader(servers, new Ring(servers))
  })

  async function read(keys: readonly string[]): Promise<string[]> {
    const found: string[] = []
    await reader.read('SELECT', wanted(keys), (rows) => void found.push(...rows.map((row) => row.k as string)))
    return found.sort()
  }

  it('are of one set of nodes, sixteen at most, and asked of a node that has them; what is missing is left out', async () => {
    const keys = [...keysOf('a', 40), ...keysOf('b', 20)]
    for (const key of keys.slice(1)) servers.rows.set(key, 'v')
    expect(await read(keys)).to.deep.equal(keys.slice(1).sort())
    expect(servers.asked.map(({ keys: some }) => [setOf(some), some.length])).to.deep.equal([
      ['a', 1], // by itself, since it says how large rows are
      ['a', 16],
      ['a', 16],
      ['a', 7],
      ['b', 16],
      ['b', 4],
    ])
    for (const { keys: some, routingKey } of servers.asked) expect(routingKey).to.equal(some[0])
  })

  it('are fewer where rows are large', async () => {
    for (const key of keysOf('a', 9)) servers.rows.set(key, 'x'.repeat(100_000))
    await read(keysOf('a', 9))
    expect(servers.asked.map(({ keys }) => keys.length)).to.deep.equal([1, 2, 2, 2, 2])
    for (const key of keysOf('b', 3)) servers.rows.set(key, 'x'.repeat(10_000_000))
    await read(keysOf('b', 3))
    expect(servers.asked.slice(5).map(({ keys }) => keys.length)).to.deep.equal([2, 1])
  })
})

describe('cassandra: how large a value is', () => {
  it('counts what lies in maps, sets, lists and tuples', () => {
    const bytes = Buffer.alloc(1000)
    for (const value of [new Map([['k', bytes]]), new Set([bytes]), [bytes], { elements: [bytes] }, [[new Map([[1, [bytes]]])]]])
      expect(bytesOf(value)).to.be.within(1000, 1200)
  })
})
