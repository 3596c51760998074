import { inspect } from 'node:util'
import { expect } from 'chai'
import { configOf as cassandraConfigOf } from '../../backends/cassandra/cassandra-config.js'
import { ArgumentPack } from '../../backends/redis/argument-pack.js'
import { netstrings } from '../../backends/redis/netstrings.js'
import { headOf, openObject } from '../../backends/redis/object-form.js'
import { decodeCell, encodeCell, fieldOf, nameOf } from '../../backends/redis/redis-cells.js'
import { configOf } from '../../backends/redis/redis-config.js'
import { PARTITIONS, partitionOfAlias, partitionOfId, RedisKeys } from '../../backends/redis/redis-keys.js'
import { slotOf } from '../../backends/redis/slot.js'
import { type Cell, Packed, Ref } from '../../src/backend.js'
import { encodeWire } from '../../src/codec/wire.js'
import { InsituError } from '../../src/errors.js'
import { type ClassId, type CommitId, newCommitId, newId } from '../../src/ids.js'

const bytesOf = (form: string | Buffer): Buffer => Buffer.from(form)

describe('redis: forms', () => {
  it('every cell comes back as it was, readable where JSON has it', () => {
    const ref = new Ref(newId(), 'a#B' as ClassId)
    const cells: Cell[] = [
      null,
      true,
      0,
      -0,
      0.1,
      Number.NaN,
      -Infinity,
      2n ** 80n,
      -5n,
      '',
      '{"$int":"1"}',
      'é\ud800',
      new Date(7),
      new Date(Number.NaN),
    ]
    for (const cell of [...cells, ref, new Ref(ref.id, ref.classId, 'redis://other'), [1, [2n, [null, ref]]] as Cell])
      expect(decodeCell(bytesOf(encodeCell(cell)))).to.deep.equal(cell)
    for (const cell of [Uint8Array.of(0, 255), new Uint8Array(0), new Packed(Uint8Array.of(1, 2))])
      expect(decodeCell(bytesOf(encodeCell(cell)))).to.deep.equal(cell)
    expect(Object.is(decodeCell(bytesOf(encodeCell(-0))), -0)).to.equal(true)
    expect([encodeCell('text'), encodeCell(1.5), encodeCell(null)]).to.deep.equal(["'text", '1.5', 'null'])
  })

  it('any name is a field of its own', () => {
    const names = ['', '@', '#', '!', '.', '~', 'é', '\ud800', '__proto__', '~"x"']
    expect(names.map(fieldOf).map(nameOf)).to.deep.equal(names)
    expect(new Set([...names.map(fieldOf), '@', '#', '!', '!r']).size).to.equal(names.length + 4)
  })

  it('an object comes back from its value as it was written', () => {
    const [id, commit, classId] = [newId(), newCommitId(), 'naïve/module#Class' as ClassId]
    const cells = new Map<string, Cell>(Array.from({ length: 9 }, (_, n) => [`field ${n}`, 'é'.repeat(n * 40)]))
    cells.set('', 7).set('__proto__', Uint8Array.of(9)).set('\ud800', 'x'.repeat(70_000))
    const pack = new ArgumentPack()
    pack.add('before')
    const mark = pack.mark()
    pack.addObject(headOf(1, commit, classId), new Map([['gone', 1]]))
    pack.reset(mark)
    pack.addObject(headOf(41, commit, classId), cells)
    const [list] = pack.arguments() as [Buffer]
    const value = list.subarray(list.indexOf('.41'))
    const { stored, outside } = openObject(id, value)!
    expect(stored.stamp).to.deep.equal({ revision: 41, commit })
    expect(stored.ref).to.deep.equal(new Ref(id, classId))
    expect([...stored.cells]).to.deep.equal([...cells])
    expect(stored.bytes).to.equal(value.length)
    expect(outside).to.deep.equal([])
    expect(pack.count).to.equal(2)
    for (const length of [value.length - 1, 100, value.indexOf('\n') + 1])
      expect(() => openObject(id, value.subarray(0, length))).to.throw(/damaged/)
  })

  it('a reserved key is no object, and one that is held tells its intent', () => {
    expect(openObject(newId(), null)).to.equal(undefined)
    const commit = newCommitId()
    const intent = Buffer.concat([Buffer.from(commit), encodeWire({ commit } as never)])
    const held = Buffer.concat([Buffer.from('!'), netstrings([intent, 'redo'])])
    expect(openObject(newId(), held)).to.equal(undefined)
    const opened = openObject(newId(), Buffer.concat([held, Buffer.from(`${headOf(1, commit, 'a#B' as ClassId)}\x90`, 'latin1')]))
    expect(opened?.stored.intent).to.deep.equal({ commit })
    expect(() => openObject(newId(), Buffer.from('!9:abc'))).to.throw(/damaged/)
  })

  it('partitions are even, and slots are those of Redis', () => {
    const counts = new Array<number>(PARTITIONS).fill(0)
    for (let i = 0; i < PARTITIONS * 20; i++) counts[i % 2 ? partitionOfId(newId()) : partitionOfAlias(`alias ${i}`)]!++
    expect(Math.max(...counts)).to.be.lessThan(60)
    expect(Math.min(...counts)).to.be.greaterThan(0)
    expect([0, 7, 123, 2048, 4095].map(slotOf)).to.deep.equal([13907, 1716, 5970, 14894, 14918])
  })

  it('a receipt has one key for ever, and windows hold those of ten seconds', () => {
    const keys = new RedisKeys('n')
    const commit = newCommitId()
    expect(keys.receipts(1, commit)).to.equal(keys.receipts(1, commit))
    expect(keys.receipts(1, commit)).to.match(/^n:\{1\}:x:\w+$/)
    expect(keys.receipts(1, '01900000-0000-7000-8000-000000000000' as CommitId)).not.to.equal(keys.receipts(1, commit))
  })

  it('a url is read with its secrets, and shown without', () => {
    const config = configOf('rediss+cluster://me:p%40ss@a:1,[::1]:2,c?namespace=shop')
    expect(config).to.deep.include({ kind: 'cluster', username: 'me', password: 'p@ss', namespace: 'shop', db: 0 })
    expect(config.url).to.equal('rediss+cluster://a:1,[::1]:2,c?namespace=shop')
    expect(config.nodes).to.deep.equal([
      { host: 'a', port: 1 },
      { host: '::1', port: 2 },
      { host: 'c', port: 6379 },
    ])
    expect(configOf('redis://h/3').db).to.equal(3)
    // Who opens the shown url in this process, or in a worker of it, has the secrets.
    expect(configOf(config.url).password).to.equal('p@ss')
  })

  it('a url whose password is not written as it must be is refused without showing any of it', () => {
    const tails = ['p/zebra@h', '12/zebra@h', 'p@zebra@h', 'p?zebra@h', '%zzzebra@h', 'x@h1,u:zebra@h2', 'p/s?zebra=1@h']
    for (const tail of tails)
      for (const make of [() => configOf(`redis+cluster://u:${tail}`), () => cassandraConfigOf(`cassandra://u:${tail}/k`)])
        expect(make, tail)
          .to.throw(InsituError, /%2F %3F %40/)
          .that.satisfies((error: Error) => !inspect(error, { showHidden: true }).includes('zebra'))
    expect(() => configOf('redis://h?password=se-sword'))
      .to.throw(/no option password/)
      .that.satisfies((error: Error) => !inspect(error, { showHidden: true }).includes('se-sword'))
  })

  it('a url that says something twice, or a port that there is not, is refused', () => {
    expect(() => configOf('redis://h?namespace=a&namespace=b')).to.throw(/says namespace twice/)
    for (const port of ['0', '65536', '99999']) expect(() => configOf(`redis://h:${port}`)).to.throw(/a port is a number from 1 to 65535/)
    expect(configOf('redis://h:65535').nodes[0]!.port).to.equal(65_535)
  })
})
