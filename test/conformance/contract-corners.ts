/** A long file on purpose: the laws that a backend can break while everything that programs usually do still works. */
import assert from 'node:assert/strict'
import type { Backend, Key, Mark, Op, Range, Stamp, Table, Values } from '../../src/backend.js'
import { AliasTakenError, ConflictError, SchemaMismatchError } from '../../src/errors.js'
import { type ClassId, newCommitId, newId } from '../../src/ids.js'
import { type Case, law } from './case.js'
import { add, fieldOf, group, intent, now, put, row, send, standing, tableOn, thing } from './contract-kit.js'
import { flat, refused } from './expect.js'

/** More than any backend gives as one page. */
const MANY = 1100
const GROUP_OPS = 200

const key = (p: string, o: number): Key => [p, BigInt(o)]
const values = (n: number): Values => [BigInt(n), undefined, undefined]

/** Ops that need not commit together, in as few groups as the domains allow. */
async function sendAll(backend: Backend, ops: readonly Op[]): Promise<void> {
  const byDomain = new Map<string, Op[]>()
  for (const op of ops) byDomain.set(backend.domain(op), [...(byDomain.get(backend.domain(op)) ?? []), op])
  for (const some of byDomain.values())
    for (let at = 0; at < some.length; at += GROUP_OPS) await send(backend, ...some.slice(at, at + GROUP_OPS))
}

async function rowAt(backend: Backend, table: Table, at: Key): Promise<{ readonly n: unknown; readonly atMicros: bigint } | undefined> {
  const [found] = await backend.rows(table.id, [at])
  return found && { n: found.values[0], atMicros: found.atMicros }
}

const markOp = (home: ReturnType<typeof thing>, name: string, attempt: Mark['attempt'], outcome = 1): Op => ({
  do: 'mark',
  home,
  mark: { key: name, attempt, state: 'committed', outcome: Uint8Array.of(outcome) },
})

/** Intents, marks, staged changes and tables where they are seldom looked at. */
export const contractCorners: readonly Case[] = [
  law('B60', 'an object that is only reserved is there for nobody, and is free again when the intent is dropped', async ({ store }) => {
    const { backend } = store
    const classId = `insitu/conformance#Reserved${newId()}` as ClassId
    const ref = thing(classId)
    const left = intent(thing(), [put(ref, { v: 1 })])
    await send(backend, { do: 'reserve', target: { ref }, expect: 'absent', intent: left })
    assert.deepEqual(await backend.read([ref]), [undefined])
    assert.deepEqual(await backend.find([ref.id]), [undefined])
    assert.deepEqual(await flat(backend.objects({ classId })), [])
    assert.deepEqual(await backend.locate([ref]), [[]])
    const error = await refused(ConflictError, () => send(backend, put(ref, { v: 2 })))
    assert.equal((error.intent as { commit?: unknown } | undefined)?.commit, left.commit)
    await send(backend, { do: 'settle', target: { ref }, commit: left.commit, take: false })
    assert.deepEqual(await flat(backend.objects({ classId })), [])
    assert.equal((await send(backend, put(ref, { v: 3 }))).stamps.get(ref.id)!.revision, 1)
  }),

  law(
    'B61',
    'an alias that is only reserved is told with its intent, listed nowhere, and moved by nobody else',
    async ({ store, alias }) => {
      const { backend } = store
      const ref = thing()
      await send(backend, put(ref, { v: 1 }))
      const name = alias('reserved')
      const left = intent(thing(), [{ do: 'name', alias: name, expect: null, to: ref }])
      await send(backend, { do: 'reserve', target: { alias: name }, expect: null, intent: left })
      const [met] = await backend.find([{ alias: name }])
      assert.deepEqual([met?.ref, met?.intent?.commit], [null, left.commit])
      assert.deepEqual(await flat(backend.aliases({ prefix: name })), [])
      assert.deepEqual(await flat(backend.aliases({ ref })), [])
      const error = await refused(ConflictError, () => send(backend, { do: 'name', alias: name, expect: null, to: ref }))
      assert.deepEqual([error.alias, (error.intent as { commit?: unknown } | undefined)?.commit], [name, left.commit])
      await send(backend, { do: 'settle', target: { alias: name }, commit: left.commit, take: false })
      assert.deepEqual(await backend.find([{ alias: name }]), [undefined])
      await refused(AliasTakenError, () => send(backend, { do: 'name', alias: name, expect: ref, to: null }))
      await send(backend, { do: 'name', alias: name, expect: null, to: ref })
    },
  ),

  law('B62', 'settling makes, changes and removes, under the stamp of the commit that reserved', async ({ store: { backend } }) => {
    const ref = thing()
    const settled = async (redo: (stamp: Stamp | undefined) => Op): Promise<Stamp | undefined> => {
      const [before] = await backend.read([ref])
      const left = intent(thing(), [redo(before?.stamp)])
      await send(backend, { do: 'reserve', target: { ref }, expect: before?.stamp ?? 'absent', intent: left })
      await send(backend, { do: 'settle', target: { ref }, commit: left.commit, take: true })
      const [after] = await backend.read([ref])
      assert.equal(after?.intent, undefined)
      if (after) assert.equal(after.stamp.commit, left.commit)
      return after?.stamp
    }
    assert.equal((await settled(() => put(ref, { v: 1, w: 1 })))?.revision, 1)
    assert.equal((await settled((stamp) => put(ref, { v: 2 }, stamp!)))?.revision, 2)
    assert.deepEqual(Object.fromEntries((await standing(backend, ref)).cells), { v: 2, w: 1 })
    assert.equal(await settled((stamp) => ({ do: 'remove', ref, expect: stamp! })), undefined)
  }),

  law('B63', 'an intent stops check and remove of others, and stays when its own commit writes', async ({ store: { backend } }) => {
    const ref = thing()
    const stamp = (await send(backend, put(ref, { v: 1 }))).stamps.get(ref.id)!
    const left = intent(thing(), [])
    await send(backend, { do: 'reserve', target: { ref }, expect: stamp, intent: left })
    await refused(ConflictError, () => send(backend, { do: 'check', ref, expect: stamp }))
    await refused(ConflictError, () => send(backend, { do: 'remove', ref, expect: 'present' }))
    await backend.commit(group([put(ref, { v: 2 }, stamp)], left.commit))
    const found = await standing(backend, ref)
    assert.deepEqual([found.cells.get('v'), found.intent?.commit], [2, left.commit])
    // Whoever walks over the whole store later would wait for its lease.
    await send(backend, { do: 'settle', target: { ref }, commit: left.commit, take: false })
  }),

  law(
    'B64',
    'of several marks any that stands from another attempt stops the group, before any conflict',
    async ({ store: { backend } }) => {
      const home = thing()
      const stamp = (await send(backend, put(home, { v: 1 }))).stamps.get(home.id)!
      const winner = newCommitId()
      await backend.commit(group([markOp(home, 'second', winner)], winner))
      const loser = newCommitId()
      const stale = { ...stamp, revision: stamp.revision + 5 }
      const lost = await backend.commit(
        group([put(home, { v: 2 }, stale), markOp(home, 'first', loser), markOp(home, 'second', loser)], loser),
      )
      assert.deepEqual([lost.applied, lost.mark?.attempt], [false, winner])
      assert.deepEqual(await backend.marks(home, ['first']), [undefined])
      assert.equal(await fieldOf(backend, home, 'v'), 1)
    },
  ),

  law('B65', 'a mark of the same attempt is not in the way, and the receipt tells what stands, also when sent again', async ({ store }) => {
    const { backend } = store
    const home = thing()
    const stamp = (await send(backend, put(home, { v: 1 }))).stamps.get(home.id)!
    const attempt = newCommitId()
    await send(backend, markOp(home, 'task', attempt))
    const again = group([put(home, { v: 2 }, stamp), markOp(home, 'task', attempt)])
    for (let i = 0; i < 2; i++) {
      const receipt = await backend.commit(again)
      assert.deepEqual([receipt.applied, receipt.mark?.attempt], [true, attempt])
      assert.equal(receipt.stamps.get(home.id)?.revision, 2)
    }
    assert.equal(await fieldOf(backend, home, 'v'), 2)
  }),

  law(
    'B66',
    'marks and staged changes are their home’s: known at no other, and left when it is removed',
    async ({ store: { backend } }) => {
      const [home, other] = [thing(), thing()]
      for (const ref of [home, other]) await send(backend, put(ref, { v: 1 }))
      const attempt = newCommitId()
      await send(backend, markOp(home, 'task', attempt))
      for (const v of [1, 2]) await send(backend, { do: 'stage', home, commit: attempt, redo: [put(home, { v })] })
      assert.deepEqual(await backend.marks(other, ['task']), [undefined])
      assert.equal(await backend.staged(other, attempt), undefined)
      const [staged] = (await backend.staged(home, attempt)) as [Extract<Op, { do: 'put' }>]
      assert.equal(staged.set.get('v'), 2, 'what is staged again replaces')
      await send(backend, { do: 'remove', ref: home, expect: 'present' })
      assert.equal((await backend.marks(home, ['task']))[0]?.attempt, attempt)
      assert.equal((await backend.staged(home, attempt))?.length, 1)
    },
  ),

  law('B67', 'a removed row is not brought back by an older write, comes back by a later one, and its counters begin anew', async (ctx) => {
    const { backend } = ctx.store
    const table = await tableOn(backend)
    const at = now()
    const write = (set: Values | null, when: bigint): Promise<unknown> =>
      backend.commit(group([row(table.id, key('p', 1), set)], undefined, when))
    await write(values(1), at)
    await send(backend, add(table.id, key('p', 1), 2, 5n))
    await write(null, at + 10n)
    await write(values(2), at + 5n)
    assert.deepEqual(await backend.rows(table.id, [key('p', 1)]), [undefined])
    assert.deepEqual(await flat(backend.scan({ in: table.id })), [])
    await write(values(3), at + 20n)
    assert.deepEqual((await backend.rows(table.id, [key('p', 1)]))[0]?.values, values(3))
  }),

  law('B68', 'adding to a counter does not count as writing the row', async ({ store: { backend } }) => {
    const table = await tableOn(backend)
    const at = now()
    const addLate = group([add(table.id, key('p', 1), 2, 5n)], undefined, at + 1_000_000n)
    await backend.commit(addLate)
    await backend.commit(group([row(table.id, key('p', 1), values(1))], undefined, at))
    assert.deepEqual((await backend.rows(table.id, [key('p', 1)]))[0]?.values, [1n, undefined, 5n])
  }),

  law('B69', 'a checked write by a slower clock happens, and can be told from the one before', async ({ store: { backend } }) => {
    const table = await tableOn(backend, 'cas')
    const at = now()
    const write = (n: number, expect: bigint | null, when: bigint): Promise<unknown> =>
      backend.commit(group([{ do: 'row', table: table.id, key: key('p', 1), set: values(n), expect }], undefined, when))
    await write(1, null, at)
    await write(2, at, at - 1000n)
    const second = await rowAt(backend, table, key('p', 1))
    assert.equal(second?.n, 2n)
    assert.notEqual(second?.atMicros, at)
    await write(3, second!.atMicros, second!.atMicros)
    const third = await rowAt(backend, table, key('p', 1))
    assert.equal(third?.n, 3n)
    assert.notEqual(third?.atMicros, second!.atMicros)
    await refused(ConflictError, () => write(4, second!.atMicros, at + 1_000_000n))
  }),

  law(
    'B70',
    'a table is the same only with the same partition and way of writing, and one that was dropped comes back empty',
    async (ctx) => {
      const { backend } = ctx.store
      const table = await tableOn(backend)
      await refused(SchemaMismatchError, () => backend.define({ ...table, partition: 2 }))
      await refused(SchemaMismatchError, () => backend.define({ ...table, writes: 'cas' }))
      await send(backend, row(table.id, key('p', 1), values(1)))
      await backend.drop(table.id)
      await backend.define(table)
      assert.deepEqual(await flat(backend.scan({ in: table.id })), [])
    },
  ),

  law('B71', 'a scan that loses its table or is called off throws, instead of ending as if complete', async ({ store: { backend } }) => {
    for (const end of ['drop', 'abort'] as const) {
      const table = await tableOn(backend)
      await sendAll(
        backend,
        Array.from({ length: 3000 }, (_, o) => row(table.id, key('p', o), values(o))),
      )
      const off = new AbortController()
      const seen: number[] = []
      const scan = async (): Promise<void> => {
        for await (const page of backend.scan({ in: table.id, prefix: ['p'] }, off.signal)) {
          if (seen.length === 0 && end === 'drop') await backend.drop(table.id)
          seen.push(page.length)
          if (end === 'abort') off.abort(new Error('enough'))
        }
      }
      const error = await scan().catch((e: unknown) => e)
      // What it had in its hands it may give: all rows before the drop was seen, one page when called off.
      const isWhole = seen.reduce((sum, n) => sum + n, 0) === 3000 && (end === 'drop' || seen.length === 1)
      assert.ok(error instanceof Error || isWhole, `${end}: ended after ${seen} rows`)
    }
  }),

  law('B72', 'a scan of a piece keeps to its prefix, bounds, direction and limit', async ({ store: { backend } }) => {
    const table = await tableOn(backend)
    const ops = ['a', 'b', 'c'].flatMap((p) => Array.from({ length: 20 }, (_, o) => row(table.id, key(p, o), values(o))))
    await send(backend, ...ops)
    const pieces = await backend.pieces(table.id, 3)
    const scan = async (range: Omit<Range, 'in'>): Promise<string[]> =>
      (await Promise.all(pieces.map((piece) => flat(backend.scan({ in: piece, ...range }))))).flat().map((r) => r.key.join('/'))
    const b = Array.from({ length: 20 }, (_, o) => `b/${o}`)
    assert.deepEqual((await scan({ prefix: ['b'] })).sort(), [...b].sort())
    assert.deepEqual((await scan({ prefix: ['b'], from: [5n], to: [8n] })).sort(), ['b/5', 'b/6', 'b/7'])
    for (const piece of pieces) {
      const forth = await flat(backend.scan({ in: piece, prefix: ['b'] }))
      const back = await flat(backend.scan({ in: piece, prefix: ['b'], reverse: true }))
      assert.deepEqual(back, [...forth].reverse())
      assert.deepEqual(await flat(backend.scan({ in: piece, prefix: ['b'], limit: 2 })), forth.slice(0, 2))
    }
  }),

  law(
    'B73',
    `more than ${MANY} objects and aliases are listed whole, and by no more than the prefix`,
    async ({ store: { backend }, alias }) => {
      const classId = `insitu/conformance#Many${newId()}` as ClassId
      const made = Array.from({ length: MANY }, () => thing(classId))
      await sendAll(
        backend,
        made.map((ref) => put(ref, { v: 1 })),
      )
      const listed = (await flat(backend.objects({ classId }))).map((ref) => ref.id)
      assert.equal(listed.length, MANY)
      assert.equal(new Set(listed).size, MANY)
      const prefix = alias('many')
      const [ref] = made as [(typeof made)[0]]
      const names = [prefix, ...Array.from({ length: MANY }, (_, i) => `${prefix}/${i}`)]
      const beyond = [alias('manx'), alias('mao'), alias('manz/1')]
      await sendAll(
        backend,
        [...names, ...beyond].map((name): Op => ({ do: 'name', alias: name, expect: null, to: ref })),
      )
      assert.deepEqual((await flat(backend.aliases({ prefix }))).map(([name]) => name).sort(), [...names].sort())
      assert.equal((await flat(backend.aliases({ ref }))).length, names.length + beyond.length)
    },
  ),
]
