import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { AwakeTime } from '../../src/awake-time.js'
import type { Backend, Op, Ref } from '../../src/backend.js'
import { ConflictError } from '../../src/errors.js'
import { newCommitId } from '../../src/ids.js'
import { add, fieldOf, group, put, row, send, standing, tableOn, thing } from '../conformance/contract-kit.js'
import { flat } from '../conformance/expect.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { failureOf, freshNamespace, openAt } from './kit.js'
import type { LargeOrder } from './large-group-child.js'
import { longestMs, NOTING } from './script-times.js'

const CHILD = fileURLToPath(new URL('./large-group-child.js', import.meta.url))
const COUNT = 10_000
/** 100 bytes each: ten thousand are a mebibyte. */
const textOf = (n: number): string => `${n}:`.padEnd(100, 'x')
const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n)

const SCRIPT_MS_MAX = 5

describe('redis: large groups', function () {
  this.timeout(300_000)
  let server: RedisServer
  let backend: Backend
  let namespace: string
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    server = await RedisServer.start(NOTING)
  })
  after(() => server?.stop())
  beforeEach(async () => {
    namespace = freshNamespace()
    backend = await openAt(server, { namespace })
  })
  afterEach(() => backend.close())

  it('hold up the server for less than 5 ms at a time, whatever a mebibyte of changes is made of', async () => {
    const table = await tableOn(backend)
    let partition = 0
    const at = (work: () => Promise<unknown>) => async () => work
    const kinds: Record<string, () => Promise<() => Promise<unknown>>> = {
      made: at(() => backend.commit(group(upTo(COUNT).map((n) => put(thing(), { text: textOf(n) }))))),
      changed: async () => {
        const refs = upTo(COUNT).map(() => thing())
        const { stamps } = await backend.commit(group(refs.map((ref, n) => put(ref, { text: textOf(n) }))))
        return () => backend.commit(group(refs.map((ref, n) => put(ref, { text: textOf(n + 1) }, stamps.get(ref.id)!))))
      },
      'rows written': at(() => {
        const p = `p${partition++}`
        return backend.commit(group(upTo(COUNT).map((n) => row(table.id, [p, BigInt(n)], [BigInt(n), textOf(n), undefined]))))
      }),
      'counters added to': at(() => backend.commit(group(upTo(2000).map((n) => add(table.id, ['c', BigInt(n)], 2, 1n))))),
      named: at(() => {
        const ref = thing()
        const names = upTo(2000).map((n): Op => ({ do: 'name', alias: `${ref.id} ${n}`, expect: null, to: ref }))
        return backend.commit(group([put(ref, { n: 1 }), ...names]))
      }),
      'one of a mebibyte': at(() => send(backend, put(thing(), { bytes: new Uint8Array(2 ** 20) }))),
      'many saves at once': async () => {
        const refs = upTo(2000).map(() => thing())
        const receipts = await Promise.all(refs.map((ref) => send(backend, put(ref, { n: 0 }))))
        return () => Promise.all(refs.map((ref, n) => send(backend, put(ref, { n: 1 }, receipts[n]!.stamps.get(ref.id)!))))
      },
    }
    for (const [what, work] of Object.entries(kinds)) {
      const ms = await longestMs(server, SCRIPT_MS_MAX, work)
      assert.ok(ms <= SCRIPT_MS_MAX, `${what}: a script took ${ms} ms`)
    }
  })

  it('are there all at once: nobody reads one part new and another old', async () => {
    const refs = upTo(4000).map(() => thing())
    let { stamps } = await backend.commit(group(refs.map((ref) => put(ref, { v: 0 }))))
    const other = await openAt(server, { namespace })
    let isOver = false
    let changes = 0
    const looking = (async () => {
      for (let last = 0; !isOver; ) {
        const [first, middle, end] = (await other.read([refs[0]!, refs[2000]!, refs.at(-1)!])).map((one) => one!.cells.get('v') as number)
        assert.deepEqual([middle, end], [first, first])
        assert.ok(first! >= last)
        if (first !== last) changes++
        last = first!
      }
    })()
    for (let v = 1; v <= 5; v++) stamps = (await backend.commit(group(refs.map((ref) => put(ref, { v }, stamps.get(ref.id)!))))).stamps
    isOver = true
    await looking
    assert.ok(changes > 0)
    await other.close()
  })

  it('rows of a table are there all at once as well', async () => {
    const table = await tableOn(backend)
    const other = await openAt(server, { namespace })
    let isOver = false
    const looking = (async () => {
      while (!isOver) {
        const found = await other.rows(table.id, [
          ['p', 0n],
          ['p', 2999n],
        ])
        assert.equal(found[0]?.values[0], found[1]?.values[0])
      }
    })()
    for (let v = 1n; v <= 4n; v++)
      await backend.commit(group(upTo(3000).map((n) => row(table.id, ['p', BigInt(n)], [v, textOf(n), undefined]))))
    isOver = true
    await looking
    await other.close()
  })

  it('refused for their last op, they leave nothing, and no gate', async () => {
    const table = await tableOn(backend)
    const taken = thing()
    const { stamps } = await send(backend, put(taken, { v: 'first' }))
    const refs = upTo(6000).map(() => thing())
    const large = { b: new Uint8Array(100_000) }
    const ops = [...refs.map((ref) => put(ref, { v: 1 })), put(thing(), large), row(table.id, ['p', 1n], [1n, undefined, undefined])]
    const error = await failureOf(() => backend.commit(group([...ops, put(taken, { v: 'second' })])))
    assert.ok(error instanceof ConflictError)
    assert.deepEqual([error.ref, error.found], [taken, stamps.get(taken.id)])
    assert.equal((await backend.read(refs)).filter(Boolean).length, 0)
    assert.deepEqual(await flat(backend.scan({ in: table.id })), [])
    assert.equal(await server.cli('--scan', '--pattern', `${namespace}:*:[gc]:*`), '')
    const time = new AwakeTime()
    await send(backend, put(thing(), { v: 1 }))
    assert.ok(time.ms < 1000, `${time.ms} ms`)
    time.stop()
  })

  it('sent again under the same commit id give the same receipt, and a mark of another attempt stands in their way', async () => {
    const home = thing()
    await send(backend, put(home, { v: 1 }))
    const mark = { key: 'run/1', attempt: newCommitId(), state: 'committed', outcome: Uint8Array.of(7) } as const
    const refs = upTo(3000).map(() => thing())
    const ops: Op[] = [...refs.map((ref) => put(ref, { v: 1 })), { do: 'mark', home, mark }]
    const one = group(ops)
    const [a, b] = [await backend.commit(one), await backend.commit(one)]
    assert.deepEqual([a.applied, a.stamps.size, b], [true, 3000, a])
    assert.deepEqual((await backend.marks(home, ['run/1']))[0], mark)
    const late = await backend.commit(
      group([...upTo(3000).map(() => put(thing(), { v: 1 })), { do: 'mark', home, mark: { ...mark, attempt: newCommitId() } }]),
    )
    assert.deepEqual([late.applied, late.mark], [false, mark])
    assert.equal(await server.cli('--scan', '--pattern', `${namespace}:*:g:*`), '')
  })

  it('of many programs at once are applied one after the other, with small ones between them', async () => {
    const table = await tableOn(backend)
    const others = await Promise.all(upTo(3).map(() => openAt(server, { namespace })))
    const adds = upTo(1500).map((n) => add(table.id, ['c', BigInt(n)], 2, 1n))
    await Promise.all([
      ...others.flatMap((other) => [other.commit(group(adds)), other.commit(group(adds))]),
      ...upTo(40).map(async (n) => {
        await delay(n * 3)
        await send(backend, add(table.id, ['c', 0n], 2, 1n))
      }),
    ])
    const rows = await flat(backend.scan({ in: table.id }))
    assert.deepEqual([rows.length, rows[0]!.values[2], rows.at(-1)!.values[2]], [1500, 46n, 6n])
    await Promise.all(others.map((other) => other.close()))
  })

  for (const point of ['group-staged', 'group-stepped:1', 'group-stepped:5', 'group-stepped:9', 'group-stepped:15', 'group-stepped:19'])
    it(`whoever dies at ${point} leaves all of it or nothing, and nobody waits for long`, async () => {
      const table = await tableOn(backend)
      const changed = thing()
      await send(backend, put(changed, { n: 0 }))
      const made = upTo(1000).map(() => thing())
      const order: LargeOrder = { url: backend.url, changed: changed.id, made: made.map((ref) => ref.id), table: table.id }
      await killedAt(point, order)
      // One whose memory is full by now is still to end what was decided.
      await server.cli('CONFIG', 'SET', 'maxmemory', '1mb')
      const time = new AwakeTime()
      const isThere = (await fieldOf(backend, changed, 'n')) === 1
      assert.ok(time.ms < 1500, `${time.ms} ms`)
      await server.cli('CONFIG', 'SET', 'maxmemory', '0')
      assert.equal((await backend.read(made)).filter(Boolean).length, isThere ? made.length : 0)
      assert.equal((await flat(backend.scan({ in: table.id }))).length, isThere ? made.length : 0)
      assert.equal(isThere, Number(point.split(':')[1] ?? 0) >= DECIDED_AFTER)
      const { stamp } = await standing(backend, changed)
      await send(backend, put(changed, { n: 5 }, stamp))
      assert.ok(time.ms < 6000, `${time.ms} ms`)
      time.stop()
    })

  async function killedAt(point: string, order: LargeOrder): Promise<void> {
    const child = spawn(process.execPath, [CHILD, JSON.stringify(order)], {
      env: { ...process.env, INSITU_FAILPOINT: point },
      stdio: 'inherit',
    })
    const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
    assert.equal(signal, 'SIGKILL', `the program never came to ${point}`)
  }
})

/** The child's group is cut into a dozen pieces; each is looked at before the first is applied. */
const DECIDED_AFTER = 12

describe('redis+cluster: large groups', function () {
  this.timeout(60_000)
  let cluster: RedisCluster
  let backend: Backend
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    cluster = await RedisCluster.start()
    backend = await openAt(cluster)
  })
  after(async () => {
    await backend?.close()
    await cluster?.stop()
  })

  it('lie in one slot with all that they are staged in', async () => {
    const table = await tableOn(backend)
    const rows = upTo(3000).map((n) => row(table.id, ['p', BigInt(n)], [BigInt(n), textOf(n), undefined]))
    const domain = backend.domain(rows[0]!)
    const same: Ref[] = []
    while (same.length < 3) {
      const ref = thing()
      if (backend.domain(put(ref, {})) === domain) same.push(ref)
    }
    await backend.commit(group([...same.map((ref) => put(ref, { b: new Uint8Array(200_000) })), ...rows]))
    assert.equal((await flat(backend.scan({ in: table.id }))).length, 3000)
    assert.equal(((await fieldOf(backend, same[2]!, 'b')) as Uint8Array).length, 200_000)
  })
})
