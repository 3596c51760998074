import assert from 'node:assert/strict'
import type { Backend, Cell, Ref } from '../../src/backend.js'
import { ConflictError } from '../../src/errors.js'
import { cells, fieldOf, group, put, send, standing, thing } from '../conformance/contract-kit.js'
import { RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { failureOf, freshNamespace, openAt } from './kit.js'

const LARGE = 10_000
const bytes = (n: number): Uint8Array => new Uint8Array(LARGE).fill(n)

describe('redis: objects', function () {
  this.timeout(60_000)
  let server: RedisServer
  let backend: Backend
  let namespace: string
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    server = await RedisServer.start()
  })
  after(() => server?.stop())
  beforeEach(async () => {
    namespace = freshNamespace()
    backend = await openAt(server, { namespace })
  })
  afterEach(() => backend.close())

  const keysOf = async (pattern: string): Promise<string[]> =>
    (await server.cli('--scan', '--pattern', `${namespace}:*:${pattern}`)).split('\n').filter((key) => key !== '')
  const change = async (ref: Ref, set: Record<string, Cell>, unset: string[] = []): Promise<void> => {
    const { stamp } = await standing(backend, ref)
    await send(backend, { do: 'put', ref, set: cells(set), unset, expect: stamp })
  }

  it('large cells have keys of their own, which go when they are replaced, dropped or removed', async () => {
    const ref = thing()
    await send(backend, put(ref, { a: bytes(1), small: 'text', b: 'é'.repeat(LARGE) }))
    assert.equal((await keysOf('c:*')).length, 2)
    assert.deepEqual(
      [...(await standing(backend, ref)).cells],
      [
        ['a', bytes(1)],
        ['small', 'text'],
        ['b', 'é'.repeat(LARGE)],
      ],
    )
    await change(ref, { small: 'other' })
    assert.equal((await keysOf('c:*')).length, 2)
    await change(ref, { a: bytes(2) })
    assert.deepEqual(await fieldOf(backend, ref, 'a'), bytes(2))
    assert.equal((await keysOf('c:*')).length, 2)
    await change(ref, { a: 'small now' })
    assert.equal((await keysOf('c:*')).length, 1)
    await change(ref, { c: bytes(3) }, ['b'])
    assert.deepEqual([...(await standing(backend, ref)).cells.keys()], ['a', 'small', 'c'])
    assert.equal((await keysOf('c:*')).length, 1)
    const { stamp } = await standing(backend, ref)
    await send(backend, { do: 'remove', ref, expect: stamp })
    assert.deepEqual(await keysOf('[oc]:*'), [])
  })

  it('the size of an object counts its large cells', async () => {
    const ref = thing()
    await send(backend, put(ref, { a: bytes(1), b: 'x' }))
    const { bytes: read } = await standing(backend, ref)
    const [[place] = []] = await backend.locate([ref])
    assert.ok(read > LARGE && read < LARGE + 300, `${read}`)
    assert.ok(Math.abs(place!.bytes - read) < 10, `${place!.bytes}`)
  })

  it('large cells that another program replaces meanwhile are read as of one moment', async () => {
    const ref = thing()
    await send(backend, put(ref, { a: bytes(0), b: bytes(0) }))
    const other = await openAt(server, { namespace })
    let isOver = false
    const writing = (async () => {
      for (let n = 1; n <= 60; n++) {
        const { stamp } = await standing(other, ref)
        await send(other, put(ref, { a: bytes(n), b: bytes(n) }, stamp))
      }
      isOver = true
    })()
    let last = 0
    while (!isOver) {
      const found = await standing(backend, ref)
      const [a, b] = [found.cells.get('a') as Uint8Array, found.cells.get('b') as Uint8Array]
      assert.deepEqual([a[0], a.at(-1)], [b[0], b.at(-1)])
      assert.ok(a[0]! >= last)
      last = a[0]!
    }
    await writing
    await other.close()
  })

  it('large cells are kept, never staler than the server, and not with cacheMb=0', async () => {
    const ref = thing()
    const { stamps } = await send(backend, put(ref, { a: bytes(1), b: bytes(2) }))
    const none = await openAt(server, { namespace, cacheMb: '0' })
    for (const one of [backend, none, backend]) assert.deepEqual(await fieldOf(one, ref, 'a'), bytes(1))
    const mine = (await fieldOf(backend, ref, 'a')) as Uint8Array
    mine.fill(9) // the caller's own
    const other = await openAt(server, { namespace })
    const isSeen = (async () => {
      while (((await fieldOf(backend, ref, 'a')) as Uint8Array)[0] !== 7); // nothing but awaited hits
    })()
    await send(other, put(ref, { a: bytes(7) }, stamps.get(ref.id)!))
    await isSeen
    assert.deepEqual(await fieldOf(backend, ref, 'b'), bytes(2))
    await server.cli('UNLINK', ...(await keysOf('c:*')))
    assert.deepEqual(await fieldOf(backend, ref, 'b'), bytes(2))
    assert.match((await failureOf(() => standing(none, ref))).message, /lacks a large field/)
    for (const one of [none, other]) await one.close()
  })

  it('of many groups in one turn each new object, change and conflict is answered for itself', async () => {
    const refs = Array.from({ length: 300 }, () => thing())
    await Promise.all(refs.map((ref, n) => send(backend, put(ref, { n, keep: 'as it is' }))))
    const stamps = (await backend.read(refs)).map((stored) => stored!.stamp)
    const outcomes = await Promise.allSettled(
      refs.map((ref, n) => {
        if (n % 3 === 0) return send(backend, put(ref, { n: -n }, stamps[n]!))
        if (n % 3 === 1) return send(backend, put(ref, { n: -n }))
        return send(backend, put(ref, { n: -n }, { ...stamps[n]!, revision: 7 }))
      }),
    )
    for (const [n, outcome] of outcomes.entries()) {
      assert.equal(outcome.status, n % 3 === 0 ? 'fulfilled' : 'rejected')
      if (outcome.status === 'rejected') assert.deepEqual((outcome.reason as ConflictError & { found: unknown }).found, stamps[n])
    }
    const found = await backend.read(refs)
    for (const [n, stored] of found.entries())
      assert.deepEqual(
        [...stored!.cells],
        [
          ['n', n % 3 === 0 ? -n : n],
          ['keep', 'as it is'],
        ],
      )
  })

  it('a group of thousands of new objects is whole or not there', async () => {
    const refs = Array.from({ length: 5000 }, () => thing())
    const taken = refs[4321]!
    const { stamps } = await send(backend, put(taken, { n: 'first' }))
    const error = await failureOf(() => backend.commit(group(refs.map((ref, n) => put(ref, { n })))))
    assert.ok(error instanceof ConflictError)
    assert.deepEqual([error.ref, error.found], [taken, stamps.get(taken.id)])
    assert.equal((await backend.read(refs)).filter((stored) => stored).length, 1)
    const others = refs.filter((ref) => ref !== taken)
    await backend.commit(group(others.map((ref, n) => put(ref, { n }))))
    const found = await backend.read(others)
    assert.deepEqual(
      found.map((stored) => stored!.cells.get('n')),
      others.map((_, n) => n),
    )
  })

  it('another client reads an object: redis-cli', async () => {
    const ref = thing()
    await send(backend, put(ref, { text: 'naïve', n: 1.5 }))
    const [key] = await keysOf(`o:${ref.id}`)
    const value = await server.cli('GET', key!)
    assert.match(value, new RegExp(`^\\.1 [0-9a-f-]{36} ${ref.classId}\\n`))
    assert.ok(value.includes("'naïve") && value.includes('1.5'), value)
  })
})
