/** Partitions that travel in one request are written and read as they would be alone. */
import assert from 'node:assert/strict'
import { createBackend } from '../../backends/cassandra/index.js'
import type { Backend, Cell, ColumnType, Op, Ref, Table } from '../../src/backend.js'
import { encodeKeyText } from '../../src/dict/row-key.js'
import { type ClassId, newTableId } from '../../src/ids.js'
import { cells, group, now, row, send, THING, tableFor, thing } from '../conformance/contract-kit.js'
import { flat } from '../conformance/expect.js'
import { HoldingProxy } from './holding-proxy.js'
import { Keyspace, siteFor, urlOf } from './kit.js'

const COUNT = 100

/** Of each type keys of which some have several forms, or a form of their own in Cassandra. */
const KEYS: readonly (readonly [ColumnType, readonly Cell[]])[] = [
  ['text', ['', '\u0000', '\u0000\u0000', 'a\u0000b', '東🦊', 'null', 'IN']],
  ['bool', [true, false]],
  ['i32', [0, -(2 ** 31), 2 ** 31 - 1, 1, 2]],
  ['i64', [0n, -(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n + 1n]],
  ['f64', [0, Number.NaN, 0.1, 5e-324, Number.NEGATIVE_INFINITY]],
  ['decimal', ['0', '-0.1', '1000', '0.0000001', '123456789012345678901234567890.5']],
  ['blob', [new Uint8Array(0), Uint8Array.of(0), Uint8Array.of(0, 0), Uint8Array.of(0, 255)]],
  ['uuid', ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-4fff-bfff-ffffffffffff', '0198c0de-0000-7000-8000-000000000001']],
  ['date', ['1970-01-01', '0000-01-01', '9999-12-31', '1582-10-10']],
  ['time', ['00:00:00', '23:59:59.999999999', '12:00:00.5', '01:00:00']],
  ['timestamp', [new Date(0), new Date(-1), new Date('1940-01-01T00:00:00.123Z'), new Date(1)]],
]

const newPut = (ref: Ref, n: number): Op => ({ do: 'put', ref, set: cells({ n }), expect: 'absent', isNew: true })

describe('cassandra: many partitions in one request', function () {
  this.timeout(60_000)
  let keyspace: Keyspace | undefined
  let proxy: HoldingProxy
  /** A backend whose line may hold a request, and one whose never does. */
  let held: Backend
  let sound: Backend
  before(async function () {
    const site = await siteFor(this)
    keyspace = await Keyspace.on(site)
    proxy = await HoldingProxy.before(site.contactPoints[0]!, site.port)
    held = createBackend(urlOf({ ...site, port: proxy.port, contactPoints: [site.contactPoints[0]!] }, keyspace.name))
    await held.open()
    sound = await keyspace.open()
    await send(sound, newPut(thing(), 0))
    await send(held, newPut(thing(), 0))
  })
  after(async function () {
    this.timeout(120_000)
    await held?.close()
    await sound?.close()
    await proxy?.close()
    await keyspace?.drop()
  })

  async function spread(backend: Backend, type: ColumnType = 'text'): Promise<Table> {
    const table: Table = {
      ...tableFor(thing()),
      id: newTableId(),
      keys: [{ name: 'k', type }],
      partition: 1,
      values: [{ name: 'n', type: 'i64' }],
    }
    await backend.define(table)
    return table
  }
  const rowsIn = (table: Table, keys: readonly Cell[], n: bigint): Op[] => keys.map((key) => row(table.id, [key], [n]))

  for (const [type, keys] of KEYS)
    it(`rows by keys of type ${String(type)}: each where it was asked for, also twice, and none where there is none`, async () => {
      const table = await spread(sound, type)
      const [missing, ...standing] = keys
      await sound.commit(group(rowsIn(table, standing, 1n)))
      const asked = [...standing, missing!, ...standing].map((key) => [key])
      const found = await sound.rows(table.id, asked)
      assert.deepEqual(
        found.map((one) => one && encodeKeyText(table, one.key)),
        asked.map((key, i) => (i === standing.length ? undefined : encodeKeyText(table, key))),
      )
    })

  it('objects by id: in order, also twice, of two classes, without those that are gone or never were', async () => {
    const other = 'insitu/test#Other' as ClassId
    const refs = Array.from({ length: COUNT }, (_, i) => thing(i % 3 === 0 ? other : THING))
    await Promise.all(refs.map((ref, n) => send(sound, newPut(ref, n))))
    const [gone] = refs as [Ref]
    await send(sound, { do: 'remove', ref: gone, expect: 'present' })
    const fresh = await keyspace!.open()
    for (const backend of [sound, fresh]) {
      const asked = [...refs, thing(), ...refs.slice(0, 10)]
      const found = await backend.read(asked)
      assert.deepEqual(
        found.map((one) => one?.cells.get('n')),
        asked.map((ref) => (ref === gone || !refs.includes(ref) ? undefined : refs.indexOf(ref))),
      )
      found.forEach((one, i) => {
        assert.ok(!one || one.ref.classId === asked[i]!.classId)
      })
    }
    await fresh.close()
  })

  it('a batch of rows that timed out is sent again, and its copy that comes late changes nothing', async () => {
    const table = await spread(held)
    const keys = Array.from({ length: COUNT }, (_, i) => `key ${i}`)
    proxy.holdNextPlain()
    await held.commit(group(rowsIn(table, keys, 1n)))
    await held.commit(group(rowsIn(table, keys, 2n), undefined, now()))
    assert.equal(await proxy.release(), 1)
    const rows = await flat(held.scan({ in: table.id }))
    assert.equal(rows.length, COUNT)
    for (const { values } of rows) assert.equal(values[0], 2n)
  })

  it('new objects whose batch timed out stand whole, once, and a copy that comes late does not undo a change', async () => {
    const refs = Array.from({ length: 10 }, () => thing())
    proxy.holdNextPlain()
    const receipts = await Promise.all(refs.map((ref, n) => send(held, newPut(ref, n))))
    const expect = receipts.map(({ stamps }, i) => stamps.get(refs[i]!.id)!)
    await Promise.all(refs.map((ref, n) => send(held, { do: 'put', ref, set: cells({ n: n + 1000 }), expect: expect[n]! })))
    assert.equal(await proxy.release(), 1)
    const found = await held.read(refs)
    assert.deepEqual(
      found.map((one) => [one?.cells.get('n'), one?.stamp.revision]),
      refs.map((_, n) => [n + 1000, 2]),
    )
  })
})
