/** A long file on purpose: one law after the other, to be read as the contract. */
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { type Backend, type Cell, type Intent, type Op, Packed, Ref } from '../../src/backend.js'
import { AliasTakenError, ConflictError, UnavailableError, UnsupportedError } from '../../src/errors.js'
import { type ClassId, newCommitId, newId } from '../../src/ids.js'
import { type Case, law, outlivesTheProgram } from './case.js'
import { aliasBeside, cells, fieldOf, group, groupsObjects, intent, pair, put, send, standing, thing } from './contract-kit.js'
import { flat, refused } from './expect.js'

const everyKindOfCell: Record<string, Cell> = {
  none: null,
  yes: true,
  no: false,
  int: 42,
  float: 0.1,
  minusZero: -0,
  nan: Number.NaN,
  infinite: Number.NEGATIVE_INFINITY,
  big: 2n ** 80n,
  minusBig: -(2n ** 63n),
  text: 'naïve – 東京 🦊 \u0000 end',
  empty: '',
  date: new Date('1940-01-01T00:00:00.123Z'),
  bytes: Uint8Array.of(0, 1, 254, 255),
  noBytes: new Uint8Array(0),
  packed: new Packed(Uint8Array.of(9, 0, 9, 255)),
  ref: new Ref(newId(), 'some/module#Class' as ClassId),
  list: [1, [2n, 'three', [Uint8Array.of(4)]], null],
  '': 'a field without a name',
  constructor: 'an ordinary field',
  'ein Feld/..\u0000:{}': 'any name',
}

/** Removes an object whose packed bytes are no values of the core's: whoever walks over the whole store would stumble over it. */
const forget = (backend: Backend, ref: Ref): Promise<unknown> => send(backend, { do: 'remove', ref, expect: 'present' })

/** The backend alone: objects and groups. What the core stands on. */
export const contractObjects: readonly Case[] = [
  law('B1', 'a group is read back whole, in the order asked, with nothing for what is unknown', async ({ store: { backend } }) => {
    const [a, b] = [thing(), thing()]
    await send(backend, put(a, { v: 'a' }))
    await send(backend, put(b, { v: 'b' }))
    const found = await backend.read([b, thing(), a, b])
    assert.deepEqual(
      found.map((s) => s?.cells.get('v')),
      ['b', undefined, 'a', 'b'],
    )
    assert.equal(found[0]!.ref.id, b.id)
    assert.equal(found[0]!.ref.classId, b.classId)
    assert.ok(found[0]!.bytes > 0)
  }),

  law('B2', 'every kind of cell under any field name comes back as it went in', async ({ store: { backend }, program }) => {
    const ref = thing()
    const set = new Map([...cells(everyKindOfCell), ['__proto__', 'a field like any other'] as const])
    await send(backend, { do: 'put', ref, set, expect: 'absent' })
    const seen = (await standing((await program()).backend, ref)).cells
    assert.equal(seen.size, set.size)
    for (const [name, cell] of set) assert.deepStrictEqual(seen.get(name), cell, `cell ${JSON.stringify(name)}`)
    assert.equal(Object.getPrototypeOf({}), Object.prototype)
    await forget(backend, ref)
  }),

  law('B3', 'a put writes its cells, drops what it unsets and keeps the rest', async ({ store: { backend } }) => {
    const ref = thing()
    const { stamps } = await send(backend, put(ref, { keep: 1, change: 2, drop: 3 }))
    await send(backend, { do: 'put', ref, set: cells({ change: 20, fresh: 4 }), unset: ['drop', 'never'], expect: stamps.get(ref.id)! })
    const seen = (await standing(backend, ref)).cells
    assert.deepEqual(Object.fromEntries([...seen].sort()), { change: 20, fresh: 4, keep: 1 })
  }),

  law('B4', 'a stamp counts revisions from 1 and names the commit', async ({ store: { backend } }) => {
    const ref = thing()
    const first = group([put(ref, { v: 1 })])
    const one = (await backend.commit(first)).stamps.get(ref.id)!
    assert.deepEqual({ ...one }, { revision: 1, commit: first.commit })
    const second = group([put(ref, { v: 2 }, one)])
    const two = (await backend.commit(second)).stamps.get(ref.id)!
    assert.deepEqual({ ...two }, { revision: 2, commit: second.commit })
    assert.deepEqual({ ...(await standing(backend, ref)).stamp }, { ...two })
  }),

  law('B5', 'a put on a stale stamp conflicts, carries both stamps and changes nothing', async ({ store: { backend } }) => {
    const ref = thing()
    const old = (await send(backend, put(ref, { v: 1 }))).stamps.get(ref.id)!
    const current = (await send(backend, put(ref, { v: 2 }, old))).stamps.get(ref.id)!
    const error = await refused(ConflictError, () => send(backend, put(ref, { v: 3 }, old)))
    assert.equal(error.retryable, true)
    assert.deepEqual(error.expected, old)
    assert.deepEqual(error.found, current)
    assert.equal(await fieldOf(backend, ref, 'v'), 2)
  }),

  law('B6', 'a put that expects nothing conflicts with an object that stands', async ({ store: { backend } }) => {
    const ref = thing()
    await send(backend, put(ref, { v: 1 }))
    await refused(ConflictError, () => send(backend, put(ref, { v: 2 })))
    await refused(ConflictError, () => send(backend, put(thing(), { v: 2 }, { revision: 1, commit: newCommitId() })))
    assert.equal(await fieldOf(backend, ref, 'v'), 1)
  }),

  law('B7', 'a stamp of the same revision by another commit conflicts', async ({ store: { backend } }) => {
    const ref = thing()
    const stamp = (await send(backend, put(ref, { v: 1 }))).stamps.get(ref.id)!
    await refused(ConflictError, () => send(backend, put(ref, { v: 2 }, { revision: stamp.revision, commit: newCommitId() })))
    assert.equal(await fieldOf(backend, ref, 'v'), 1)
  }),

  law(
    'B8',
    'a group whose last op conflicts changes nothing at all',
    async ({ store: { backend }, alias }) => {
      const [a, b] = pair(backend)
      const stamp = (await send(backend, put(a, { v: 1 }))).stamps.get(a.id)!
      await send(backend, put(b, { v: 1 }))
      const name = aliasBeside(backend, a, alias('never'))
      const named: Op = { do: 'name', alias: name, expect: null, to: a }
      // Where names lie apart from objects, the unit of work over both is the protocol's, and no group.
      const together = backend.domain(named) === backend.domain(put(a, { v: 2 })) ? [named] : []
      await refused(ConflictError, () => send(backend, put(a, { v: 2 }, stamp), ...together, put(b, { v: 2 }, 'absent')))
      assert.equal(await fieldOf(backend, a, 'v'), 1)
      assert.equal(await fieldOf(backend, b, 'v'), 1)
      assert.deepEqual(await backend.find([{ alias: name }]), [undefined])
      await send(backend, put(a, { v: 3 }, stamp))
    },
    groupsObjects,
  ),

  law('B9', 'the same commit id again gives the same receipt and changes nothing, also after later commits', async ({ store, program }) => {
    const { backend } = store
    const ref = thing()
    const first = group([put(ref, { v: 1 })])
    const receipt = await backend.commit(first)
    const second = group([put(ref, { v: 2 }, receipt.stamps.get(ref.id)!)])
    await backend.commit(second)
    for (const again of [backend, (await program()).backend]) {
      const repeated = await again.commit(first)
      assert.equal(repeated.applied, true)
      assert.deepEqual({ ...repeated.stamps.get(ref.id) }, { ...receipt.stamps.get(ref.id) })
    }
    const stored = await standing(backend, ref)
    assert.equal(stored.cells.get('v'), 2)
    assert.deepEqual({ ...stored.stamp }, { revision: 2, commit: second.commit })
  }),

  law('B10', 'a group sent twice at once is applied once', async ({ store: { backend }, program }) => {
    const ref = thing()
    const twice = group([put(ref, { v: 1 })])
    const other = (await program()).backend
    const receipts = await Promise.all([backend.commit(twice), other.commit(twice), backend.commit(twice)])
    for (const receipt of receipts) assert.deepEqual({ ...receipt.stamps.get(ref.id) }, { revision: 1, commit: twice.commit })
    assert.equal((await standing(backend, ref)).stamp.revision, 1)
  }),

  law('B11', 'a removed object is gone for every reader, and its old stamp conflicts', async ({ store: { backend } }) => {
    const ref = thing()
    const stamp = (await send(backend, put(ref, { v: 1 }))).stamps.get(ref.id)!
    await refused(ConflictError, () => send(backend, { do: 'remove', ref, expect: { revision: 7, commit: newCommitId() } }))
    await send(backend, { do: 'remove', ref, expect: stamp })
    assert.deepEqual(await backend.read([ref]), [undefined])
    assert.deepEqual(await backend.find([ref.id]), [undefined])
    await refused(ConflictError, () => send(backend, put(ref, { v: 2 }, stamp)))
    await refused(ConflictError, () => send(backend, { do: 'remove', ref, expect: 'present' }))
  }),

  law(
    'B12',
    'a check changes nothing and fails the group when untrue',
    async ({ store: { backend } }) => {
      const [a, b] = pair(backend)
      const stamp = (await send(backend, put(a, { v: 1 }))).stamps.get(a.id)!
      await send(backend, { do: 'check', ref: a, expect: stamp }, put(b, { v: 1 }))
      assert.deepEqual({ ...(await standing(backend, a)).stamp }, { ...stamp })
      const untrue: Op[] = [
        { do: 'check', ref: a, expect: 'absent' },
        { do: 'check', ref: a, expect: { revision: 9, commit: newCommitId() } },
      ]
      const bStamp = (await standing(backend, b)).stamp
      for (const check of untrue) await refused(ConflictError, () => send(backend, check, put(b, { v: 2 }, bStamp)))
      assert.equal(await fieldOf(backend, b, 'v'), 1)
      await refused(ConflictError, () => send(backend, { do: 'check', ref: thing(), expect: 'present' }))
    },
    groupsObjects,
  ),

  law('B13', 'an alias moves only from where it is expected', async ({ store: { backend }, alias }) => {
    const [a, b] = [thing(), thing()]
    for (const ref of [a, b]) await send(backend, put(ref, { v: 1 }))
    const name = alias('x')
    await send(backend, { do: 'name', alias: name, expect: null, to: a })
    await refused(AliasTakenError, () => send(backend, { do: 'name', alias: name, expect: null, to: b }))
    await refused(AliasTakenError, () => send(backend, { do: 'name', alias: name, expect: b, to: null }))
    assert.equal((await backend.find([{ alias: name }]))[0]!.ref?.id, a.id)
    await send(backend, { do: 'name', alias: name, expect: a, to: b })
    const found = await backend.find([{ alias: alias('unknown') }, { alias: name }, a.id])
    assert.deepEqual(
      found.map((f) => f?.ref?.id),
      [undefined, b.id, a.id],
    )
    assert.equal(found[1]!.ref?.classId, b.classId)
    await send(backend, { do: 'name', alias: name, expect: b, to: null })
    assert.deepEqual(await backend.find([{ alias: name }]), [undefined])
  }),

  law('B14', 'the first mark stands: a group with another attempt’s mark is not applied and is told which mark stands', async (ctx) => {
    const { backend } = ctx.store
    const home = thing()
    const first = (await send(backend, put(home, { v: 1 }))).stamps.get(home.id)!
    const mark = (attempt: ReturnType<typeof newCommitId>, outcome: number): Op => ({
      do: 'mark',
      home,
      mark: { key: 'task-1', attempt, state: 'committed', outcome: Uint8Array.of(outcome) },
    })
    const winner = newCommitId()
    const won = await backend.commit(group([put(home, { v: 2 }, first), mark(winner, 7)], winner))
    assert.equal(won.applied, true)
    const loser = newCommitId()
    const lost = await backend.commit(group([put(home, { v: 3 }, won.stamps.get(home.id)!), mark(loser, 8)], loser))
    assert.equal(lost.applied, false)
    assert.equal(lost.mark!.attempt, winner)
    assert.deepEqual(lost.mark!.outcome, Uint8Array.of(7))
    assert.equal(await fieldOf(backend, home, 'v'), 2)
    const [seen, none] = await (await ctx.program()).backend.marks(home, ['task-1', 'task-2'])
    assert.deepEqual({ ...seen }, { key: 'task-1', attempt: winner, state: 'committed', outcome: Uint8Array.of(7) })
    assert.equal(none, undefined)
  }),

  law('B15', 'forgetting an outcome keeps the mark, forgetting a mark frees its key', async ({ store: { backend } }) => {
    const home = thing()
    await send(backend, put(home, { v: 1 }))
    const attempt = newCommitId()
    const mark = { key: 'task', attempt, state: 'committed', outcome: Uint8Array.of(1) } as const
    await backend.commit(group([{ do: 'mark', home, mark }], attempt))
    await send(backend, { do: 'forget', home, keys: ['task', 'never'], what: 'outcome' })
    const [kept] = await backend.marks(home, ['task'])
    assert.equal(kept!.attempt, attempt)
    assert.equal(kept!.outcome, null)
    await send(backend, { do: 'forget', home, keys: ['task'], what: 'mark' })
    assert.deepEqual(await backend.marks(home, ['task']), [undefined])
  }),

  law('B16', 'an intent is seen by readers, stops other writers, and settles once', async ({ store: { backend }, program }) => {
    const ref = thing()
    const stamp = (await send(backend, put(ref, { v: 1 }))).stamps.get(ref.id)!
    const left = intent(thing(), [put(ref, { v: 2 }, stamp)])
    await send(backend, { do: 'reserve', target: { ref }, expect: stamp, intent: left })
    const other = (await program()).backend
    const met = await standing(other, ref)
    assert.equal(met.cells.get('v'), 1, 'an undecided change is not seen')
    assert.equal(met.intent?.commit, left.commit)
    assert.equal(met.intent?.home.id, left.home.id)
    assert.equal(met.intent?.redo.length, 1)
    const error = await refused(ConflictError, () => send(other, put(ref, { v: 3 }, stamp)))
    assert.equal((error.intent as Intent | undefined)?.commit, left.commit)
    for (let i = 0; i < 2; i++) await send(backend, { do: 'settle', target: { ref }, commit: left.commit, take: true })
    const settled = await standing(other, ref)
    assert.equal(settled.cells.get('v'), 2)
    assert.equal(settled.intent, undefined)
    assert.equal(settled.stamp.revision, 2)
  }),

  law('B17', 'an intent that is dropped leaves the object as it was, and reserving is idempotent', async ({ store: { backend } }) => {
    const ref = thing()
    const stamp = (await send(backend, put(ref, { v: 1 }))).stamps.get(ref.id)!
    const left = intent(thing(), [put(ref, { v: 2 }, stamp)])
    const reserve: Op = { do: 'reserve', target: { ref }, expect: stamp, intent: left }
    for (let i = 0; i < 2; i++) await send(backend, reserve)
    await refused(ConflictError, () => send(backend, { ...reserve, intent: intent(thing(), []) }))
    await send(backend, { do: 'settle', target: { ref }, commit: newCommitId(), take: true })
    assert.equal((await standing(backend, ref)).intent?.commit, left.commit, 'settling another commit touches nothing')
    await send(backend, { do: 'settle', target: { ref }, commit: left.commit, take: false })
    const stored = await standing(backend, ref)
    assert.equal(stored.intent, undefined)
    assert.equal(stored.cells.get('v'), 1)
    assert.deepEqual({ ...stored.stamp }, { ...stamp })
  }),

  law('B18', 'an alias can be reserved and settled like an object', async ({ store: { backend }, alias }) => {
    const ref = thing()
    await send(backend, put(ref, { v: 1 }))
    const name = alias('reserved')
    const left = intent(thing(), [{ do: 'name', alias: name, expect: null, to: ref }])
    await send(backend, { do: 'reserve', target: { alias: name }, expect: null, intent: left })
    await send(backend, { do: 'settle', target: { alias: name }, commit: left.commit, take: true })
    const [found] = await backend.find([{ alias: name }])
    assert.equal(found!.ref?.id, ref.id)
    assert.equal(found!.intent, undefined)
  }),

  law('B19', 'what is staged stays until it is dropped', async ({ store: { backend }, program }) => {
    const home = thing()
    const stamp = (await send(backend, put(home, { v: 1 }))).stamps.get(home.id)!
    const commit = newCommitId()
    await send(backend, { do: 'stage', home, commit, redo: [put(home, { v: 2, at: new Date(5) }, stamp)] })
    const redo = await (await program()).backend.staged(home, commit)
    assert.equal(redo?.length, 1)
    const [op] = redo as [Extract<Op, { do: 'put' }>]
    assert.equal(op.do, 'put')
    assert.equal(op.ref.id, home.id)
    assert.deepEqual(op.set.get('at'), new Date(5))
    assert.equal(await backend.staged(home, newCommitId()), undefined)
    await send(backend, { do: 'stage', home, commit, redo: null })
    assert.equal(await backend.staged(home, commit), undefined)
  }),

  law('B20', 'of ten groups on one stamp exactly one is applied', async ({ store: { backend }, program }) => {
    const ref = thing()
    const stamp = (await send(backend, put(ref, { v: -1 }))).stamps.get(ref.id)!
    const other = (await program()).backend
    const sent = Array.from({ length: 10 }, (_, i) => send(i % 2 ? backend : other, put(ref, { v: i }, stamp)))
    const results = await Promise.allSettled(sent)
    const winners = results.flatMap((r, i) => (r.status === 'fulfilled' ? [i] : []))
    assert.equal(winners.length, 1)
    for (const r of results) if (r.status === 'rejected') assert.ok(r.reason instanceof ConflictError)
    const stored = await standing(backend, ref)
    assert.equal(stored.cells.get('v'), winners[0])
    assert.equal(stored.stamp.revision, 2)
  }),

  law('B21', 'an object is read whole while it is written', async ({ store: { backend }, program }) => {
    const ref = thing()
    const whole = (v: number): Record<string, Cell> => Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`f${i}`, v]))
    let stamp = (await send(backend, put(ref, whole(0)))).stamps.get(ref.id)!
    const reader = (await program()).backend
    let writing = true
    const reads = (async () => {
      let last = 0
      while (writing) {
        const seen = [...(await standing(reader, ref)).cells.values()] as number[]
        assert.equal(new Set(seen).size, 1, `half old and half new: ${seen}`)
        assert.ok(seen[0]! >= last, 'a later read sees an older state')
        last = seen[0]!
        // A backend may answer without a turn of the event loop; the writer needs one.
        await setImmediate()
      }
    })()
    try {
      for (let v = 1; v <= 50; v++) stamp = (await send(backend, put(ref, whole(v), stamp))).stamps.get(ref.id)!
    } finally {
      writing = false
    }
    await reads
  }),

  law('B22', 'what is committed is seen by the next read of any program', async ({ store: { backend }, program }) => {
    const reader = (await program()).backend
    const ref = thing()
    let stamp = (await send(backend, put(ref, { v: 0 }))).stamps.get(ref.id)!
    for (let v = 1; v <= 20; v++) {
      stamp = (await send(backend, put(ref, { v }, stamp))).stamps.get(ref.id)!
      assert.equal(await fieldOf(reader, ref, 'v'), v)
    }
  }),

  law('B23', 'buffers are copied: neither the writer’s nor the reader’s later changes reach the store', async ({ store: { backend } }) => {
    const ref = thing()
    const mine = Uint8Array.of(1, 2, 3)
    const packed = new Packed(Uint8Array.of(4, 5, 6))
    await send(backend, put(ref, { mine, packed }))
    mine.fill(0)
    packed.bytes.fill(0)
    const read = (await standing(backend, ref)).cells
    ;(read.get('mine') as Uint8Array).fill(9)
    ;(read.get('packed') as Packed).bytes.fill(9)
    const again = (await standing(backend, ref)).cells
    assert.deepEqual(again.get('mine'), Uint8Array.of(1, 2, 3))
    assert.deepEqual((again.get('packed') as Packed).bytes, Uint8Array.of(4, 5, 6))
    await forget(backend, ref)
  }),

  law('B24', 'objects are listed by class, each exactly once', async ({ store: { backend } }) => {
    const classId = `insitu/conformance#Listed${newId()}` as ClassId
    const made = Array.from({ length: 250 }, () => thing(classId))
    for (const ref of made) await send(backend, put(ref, { v: 1 }))
    await send(backend, { do: 'remove', ref: made[0]!, expect: 'present' })
    const listed = (await flat(backend.objects({ classId }))).map((r) => r.id)
    assert.deepEqual(
      [...listed].sort(),
      made
        .slice(1)
        .map((r) => r.id)
        .sort(),
    )
    const everything = new Set((await flat(backend.objects({}))).map((r) => r.id))
    for (const ref of made.slice(1)) assert.ok(everything.has(ref.id))
  }),

  law('B25', 'aliases are listed by prefix and by object', async ({ store: { backend }, alias }) => {
    const [a, b] = [thing(), thing()]
    for (const ref of [a, b]) await send(backend, put(ref, { v: 1 }))
    const names: [string, Ref][] = [
      [alias('list/1'), a],
      [alias('list/2'), b],
      [alias('list/3'), a],
      [alias('lisa'), a],
    ]
    for (const [name, ref] of names) await send(backend, { do: 'name', alias: name, expect: null, to: ref })
    const plain = async (of: Parameters<typeof backend.aliases>[0]): Promise<string[]> =>
      (await flat(backend.aliases(of))).map(([name, ref]) => `${name} ${ref.id}`).sort()
    const wanted = (keep: (n: string, r: Ref) => boolean): string[] =>
      names
        .filter(([n, r]) => keep(n, r))
        .map(([n, r]) => `${n} ${r.id}`)
        .sort()
    assert.deepEqual(
      await plain({ prefix: alias('list/') }),
      wanted((n) => n !== alias('lisa')),
    )
    assert.deepEqual(
      await plain({ ref: a }),
      wanted((_, r) => r === a),
    )
    assert.deepEqual(await plain({ prefix: alias('none') }), [])
  }),

  law('B26', 'an object is located where it is, an unknown one nowhere', async ({ store: { backend } }) => {
    const ref = thing()
    await send(backend, put(ref, { v: 'x'.repeat(1000) }))
    const [none, here] = await backend.locate([thing(), ref])
    assert.deepEqual(none, [])
    assert.ok(here!.length >= 1)
    assert.equal(here![0]!.role, 'primary')
    assert.ok(here![0]!.bytes >= 1000)
    assert.ok(here![0]!.host.length > 0)
  }),

  law('B27', 'flush waits for each level that is promised and refuses the others', async ({ store: { backend } }) => {
    await send(backend, put(thing(), { v: 1 }))
    assert.ok(backend.capabilities.acks.includes('committed'))
    for (const ack of backend.capabilities.acks) await backend.flush(ack)
    await refused(UnsupportedError, () => backend.flush('replicated:99'))
    if (!backend.capabilities.acks.includes('durable')) await refused(UnsupportedError, () => backend.flush('durable'))
  }),

  law(
    'B28',
    'a closed backend refuses, closing and opening are idempotent, and what was committed is found after opening again',
    async ({ store, program }) => {
      const ref = thing()
      const mine = await program()
      await send(mine.backend, put(ref, { v: 1 }))
      await mine.backend.open()
      await mine.backend.close()
      await mine.backend.close()
      await refused(UnavailableError, () => mine.backend.read([ref]))
      await refused(UnavailableError, () => send(mine.backend, put(thing(), { v: 1 })))
      assert.equal(await fieldOf(store.backend, ref, 'v'), 1)
    },
    outlivesTheProgram,
  ),

  law('B29', 'which domain an op belongs to is the same in every program', async ({ store: { backend }, program, alias }) => {
    const other = (await program()).backend
    for (let i = 0; i < 50; i++) {
      const ref = thing()
      const ops: Op[] = [
        put(ref, { v: i }),
        { do: 'remove', ref, expect: 'present' },
        { do: 'name', alias: alias(`${i}`), expect: null, to: ref },
      ]
      for (const op of ops) assert.equal(backend.domain(op), other.domain(op))
      assert.equal(backend.domain(ops[0]!), backend.domain(ops[1]!), 'the ops of one object lie in one domain')
    }
  }),

  law(
    'B30',
    'a cell of 3 MB comes back byte for byte',
    async ({ store: { backend }, program }) => {
      const ref = thing()
      const bytes = new Uint8Array(3 * 1024 * 1024).map((_, i) => (i * 31 + (i >> 8)) & 255)
      await send(backend, put(ref, { bytes, small: 1 }))
      const stored = await standing((await program()).backend, ref)
      assert.ok(Buffer.from(stored.cells.get('bytes') as Uint8Array).equals(bytes))
      assert.ok(stored.bytes >= bytes.length)
    },
    (backend) => (backend.capabilities.cellBytesMax < 3 * 1024 * 1024 ? 'cells are smaller' : undefined),
  ),
]
