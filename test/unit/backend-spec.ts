/** What every backend must do, against the bare contract: one spec, called by the test file of each backend. Long because it is one list. */
import { expect } from 'chai'
import type { Backend, Cell, Intent, Key, Mark, Op, Receipt, Stored, StoredRow, Table, Values } from '../../src/backend.js'
import { Packed, type Ref } from '../../src/backend.js'
import {
  AliasTakenError,
  ConflictError,
  type InsituError,
  NotFoundError,
  SchemaMismatchError,
  UnavailableError,
  UnsupportedError,
  ValidationError,
} from '../../src/errors.js'
import { type ClassId, type CommitId, newCommitId, newId, newTableId } from '../../src/ids.js'
import {
  cells as cellsOf,
  group as groupOf,
  beside as oneBeside,
  put as putOp,
  send,
  tableFor,
  thing,
} from '../conformance/contract-kit.js'
import { notRun } from '../tools/not-run.js'

/** A Cluster has thousands of domains. */
const TIES = 100_000

const THING = 'insitu/test#Thing' as ClassId
const OTHER = 'insitu/test#Other' as ClassId

export { cellsOf, groupOf, putOp, send }
export const newThing = (classId = THING): Ref => thing(classId)
export const stored = async (backend: Backend, ref: Ref): Promise<Stored | undefined> => (await backend.read([ref]))[0]
export const rowOp = (table: Table, key: Key, set: Values | null, expected?: bigint | null): Op =>
  expected === undefined ? { do: 'row', table: table.id, key, set } : { do: 'row', table: table.id, key, set, expect: expected }
export const addOp = (table: Table, key: Key, by: bigint): Op => ({ do: 'add', table: table.id, key, column: 2, by })

export async function allOf<T>(pages: AsyncIterable<readonly T[]>): Promise<T[]> {
  const all: T[] = []
  for await (const page of pages) all.push(...page)
  return all
}

type ErrorClass = abstract new (...args: never[]) => InsituError

/** The error that `run` must fail with. */
export async function failure(kind: ErrorClass, run: () => Promise<unknown>): Promise<InsituError & Record<string, unknown>> {
  try {
    await run()
  } catch (error) {
    expect(error).to.be.instanceOf(kind)
    return error as InsituError & Record<string, unknown>
  }
  throw new Error(`nothing was thrown where a ${kind.name} should be`)
}

/** A defined table, whose owner need not stand. */
export async function newTable(backend: Backend, writes: Table['writes'] = 'lww'): Promise<Table> {
  const table = tableFor(newThing(), writes)
  await backend.define(table)
  return table
}

const presence = (ref: Ref): Op => ({ do: 'check', ref, expect: 'present' })

/** One more of what `make` gives, in the domain of `anchor`. */
function beside<O extends Op>(backend: Backend, anchor: Op, make: (i: number) => O): O {
  const found = oneBeside(backend, anchor, make)
  if (found === undefined) throw new Error('no second op in that domain')
  return found
}

const byName = ([a]: readonly [string, Cell], [b]: readonly [string, Cell]): number => (a < b ? -1 : 1)

/** Whether two objects can lie in one domain. */
function canPair(backend: Backend): boolean {
  const domains = new Set<string>()
  for (let i = 0; i < TIES; i++) domains.add(backend.domain(presence(newThing())))
  return domains.size < TIES
}

const thingBeside = (backend: Backend, ref: Ref): Ref =>
  (beside(backend, presence(ref), () => presence(newThing())) as Extract<Op, { do: 'check' }>).ref
const aliasBeside = (backend: Backend, ref: Ref): string =>
  (beside(backend, presence(ref), (i) => ({ do: 'name', alias: `${newId()}~${i}`, expect: null, to: ref })) as Extract<Op, { do: 'name' }>)
    .alias

const markOp = (home: Ref, key: string, attempt: CommitId, outcome: Uint8Array | null = null, state: Mark['state'] = 'committed'): Op => ({
  do: 'mark',
  home,
  mark: { key, attempt, state, outcome },
})
const intentOf = (home: Ref, redo: readonly Op[], commit = newCommitId()): Intent => ({
  commit,
  home,
  redo,
  leaseUntilMs: Date.now() + 60_000,
})
const reserveOp = (
  target: Extract<Op, { do: 'reserve' }>['target'],
  expected: Extract<Op, { do: 'reserve' }>['expect'],
  intent: Intent,
): Op => ({
  do: 'reserve',
  target,
  expect: expected,
  intent,
})

/** `open` gives a further opened backend on the same data; the first one is used by most tests. */
export function backendSpec(name: string, open: () => Promise<Backend>): void {
  describe(`${name}: objects`, () => {
    let backend: Backend
    before(async () => void (backend = await open()))
    after(() => backend.close())

    it('gives back every kind of cell under any name', async () => {
      const ref = newThing()
      const set = new Map<string, Cell>([
        ['none', null],
        ['yes', true],
        ['zero', -0],
        ['nan', Number.NaN],
        ['big', 2n ** 100n],
        ['text', 'a\u0000東🦊'],
        ['at', new Date(7)],
        ['bytes', Uint8Array.of(0, 255)],
        ['packed', new Packed(Uint8Array.of(9))],
        ['ref', newThing(OTHER)],
        ['list', [1, [2n, [null]]]],
        ['__proto__', 'a name'],
        ['', 'another'],
      ])
      await send(backend, { do: 'put', ref, set, expect: 'absent' })
      const seen = await stored(backend, ref)
      expect([...seen!.cells].sort(byName)).to.deep.equal([...set].sort(byName))
      expect(Object.is(seen!.cells.get('zero'), -0)).to.equal(true)
      expect(seen!.ref).to.deep.equal(ref)
      expect(seen!.bytes).to.be.greaterThan(50)
    })

    it('reads in the order asked, with nothing for the unknown', async () => {
      const [a, b] = [newThing(), newThing(OTHER)]
      await send(backend, putOp(a, { v: 1 }))
      await send(backend, putOp(b, { v: 2 }))
      const seen = await backend.read([b, newThing(), a, b])
      expect(seen.map((s) => s?.cells.get('v'))).to.deep.equal([2, undefined, 1, 2])
      expect(seen[0]!.ref.classId).to.equal(OTHER)
      expect(await backend.find([a.id, newId()])).to.deep.equal([{ ref: a }, undefined])
    })

    it('counts revisions, merges cells, and drops what is unset', async () => {
      const ref = newThing()
      const first = groupOf([putOp(ref, { keep: 1, drop: 2, change: 3 })])
      const one = (await backend.commit(first)).stamps.get(ref.id)!
      expect(one).to.deep.equal({ revision: 1, commit: first.commit })
      const two = groupOf([{ do: 'put', ref, set: cellsOf({ change: 4 }), unset: ['drop', 'never'], expect: one }])
      expect((await backend.commit(two)).stamps.get(ref.id)).to.deep.equal({ revision: 2, commit: two.commit })
      const seen = await stored(backend, ref)
      expect(seen!.stamp).to.deep.equal({ revision: 2, commit: two.commit })
      expect(Object.fromEntries(seen!.cells)).to.deep.equal({ keep: 1, change: 4 })
    })

    it('refuses a put on another stamp, whether number or commit differs, and says both stamps', async () => {
      const ref = newThing()
      const one = (await send(backend, putOp(ref, { v: 1 }))).stamps.get(ref.id)!
      for (const wrong of ['absent', { revision: 2, commit: one.commit }, { revision: 1, commit: newCommitId() }] as const) {
        const error = await failure(ConflictError, () => send(backend, putOp(ref, { v: 2 }, wrong)))
        expect(error).to.include({ retryable: true, code: 'ERR_CONFLICT' })
        expect(error.expected).to.deep.equal(wrong)
        expect(error.found).to.deep.equal(one)
        expect(error.ref).to.deep.equal(ref)
      }
      const error = await failure(ConflictError, () => send(backend, putOp(newThing(), { v: 2 }, one)))
      expect(error.found).to.equal(null)
      expect((await stored(backend, ref))!.stamp).to.deep.equal(one)
    })

    it('leaves nothing of a group whose last op fails', async function () {
      const a = newThing()
      if (!canPair(backend)) notRun(this, 'each object is a domain of its own')
      const b = thingBeside(backend, a)
      const alias = aliasBeside(backend, a)
      await send(backend, putOp(b, { v: 1 }))
      const ops: Op[] = [putOp(a, { v: 1 }), { do: 'name', alias, expect: null, to: a }, markOp(a, 'm', newCommitId()), putOp(b, { v: 2 })]
      const group = groupOf(ops)
      await failure(ConflictError, () => backend.commit(group))
      expect(await stored(backend, a)).to.equal(undefined)
      expect(await backend.find([{ alias }])).to.deep.equal([undefined])
      expect(await backend.marks(a, ['m'])).to.deep.equal([undefined])
      expect((await stored(backend, b))!.cells.get('v')).to.equal(1)
      await backend.commit({ ...group, ops: ops.slice(0, 3) }) // nothing was remembered under the id either
      expect((await stored(backend, a))!.cells.get('v')).to.equal(1)
    })

    it('removes, and checks without changing', async () => {
      const ref = newThing()
      const stamp = (await send(backend, putOp(ref, { v: 1 }))).stamps.get(ref.id)!
      await send(backend, { do: 'check', ref, expect: stamp }, { do: 'check', ref, expect: 'present' })
      await failure(ConflictError, () => send(backend, { do: 'check', ref, expect: 'absent' }))
      await failure(ConflictError, () => send(backend, { do: 'remove', ref, expect: { ...stamp, revision: 2 } }))
      expect((await stored(backend, ref))!.stamp).to.deep.equal(stamp)
      await send(backend, { do: 'remove', ref, expect: stamp })
      expect(await backend.read([ref])).to.deep.equal([undefined])
      expect(await backend.find([ref.id])).to.deep.equal([undefined])
      await failure(ConflictError, () => send(backend, { do: 'remove', ref, expect: 'present' }))
      await send(backend, { do: 'check', ref, expect: 'absent' })
    })

    it('gives the same receipt for a commit id sent again, and changes nothing', async () => {
      const ref = newThing()
      const first = groupOf([putOp(ref, { v: 1 })])
      const receipts = await Promise.all([backend.commit(first), backend.commit(first)])
      const one = receipts[0].stamps.get(ref.id)!
      await send(backend, putOp(ref, { v: 2 }, one))
      receipts.push(await backend.commit(first))
      for (const receipt of receipts) {
        expect(receipt.applied).to.equal(true)
        expect([...receipt.stamps]).to.deep.equal([[ref.id, { revision: 1, commit: first.commit }]])
      }
      expect((await stored(backend, ref))!.cells.get('v')).to.equal(2)
    })

    it('lets groups of one turn see those before them, and one of two writers win', async () => {
      const ref = newThing()
      const made = groupOf([putOp(ref, { v: 0 })])
      const next = groupOf([putOp(ref, { v: 1 }, { revision: 1, commit: made.commit })])
      const late = groupOf([putOp(ref, { v: 2 }, { revision: 1, commit: made.commit })])
      const ends = await Promise.allSettled([made, next, late].map((group) => backend.commit(group)))
      expect(ends.map((end) => end.status)).to.deep.equal(['fulfilled', 'fulfilled', 'rejected'])
      expect((await stored(backend, ref))!.stamp).to.deep.equal({ revision: 2, commit: next.commit })
    })

    it('shares no buffer with writers and readers', async () => {
      const ref = newThing()
      const bytes = Uint8Array.of(1, 2, 3)
      await send(backend, putOp(ref, { bytes, packed: new Packed(bytes) }))
      bytes.fill(0)
      const first = await stored(backend, ref)
      ;(first!.cells.get('bytes') as Uint8Array).fill(9)
      await backend.read([ref, ref])
      const again = (await stored(backend, ref))!.cells
      expect(again.get('bytes')).to.deep.equal(Uint8Array.of(1, 2, 3))
      expect(again.get('packed')).to.deep.equal(new Packed(Uint8Array.of(1, 2, 3)))
    })

    it('keeps large cells apart from small ones read after them', async () => {
      const [large, small] = [newThing(), newThing()]
      const bytes = new Uint8Array(20 * 1024 * 1024).map((_, i) => i * 7)
      await send(backend, putOp(large, { bytes }))
      await send(backend, putOp(small, { text: 's' }))
      const [a, b] = await backend.read([large, small])
      expect(Buffer.compare(a!.cells.get('bytes') as Uint8Array, bytes)).to.equal(0)
      expect(b!.cells.get('text')).to.equal('s')
    })

    it('lists objects by class, each once, also when others come and go meanwhile', async () => {
      const [kind, made] = [`insitu/test#${newId()}` as ClassId, [] as Ref[]]
      for (let i = 0; i < 1300; i++) made.push(newThing(kind))
      await Promise.all(made.map((ref) => send(backend, putOp(ref, { v: 1 }))))
      const goes = made.pop()!
      const seen: string[] = []
      let pages = 0
      for await (const page of backend.objects({ classId: kind })) {
        seen.push(...page.map((ref) => ref.id))
        if (pages++ === 0)
          await Promise.all([send(backend, { do: 'remove', ref: goes, expect: 'present' }), send(backend, putOp(newThing(kind), {}))])
      }
      expect(pages).to.be.greaterThan(1)
      expect(new Set(seen).size).to.equal(seen.length)
      expect(seen).to.include.members(made.map((ref) => ref.id))
      expect(await allOf(backend.objects({ classId: 'insitu/test#Never' as ClassId }))).to.deep.equal([])
      const all = await allOf(backend.objects({}))
      expect(all.filter((ref) => ref.id === made[0]!.id)).to.deep.equal([made[0]])
    })

    it('locates what it holds', async () => {
      const ref = newThing()
      await send(backend, putOp(ref, { text: 'x'.repeat(500) }))
      const [none, here] = await backend.locate([newThing(), ref])
      expect(none).to.deep.equal([])
      expect(here).to.have.length(1)
      expect(here![0]).to.include({ role: 'primary' })
      expect(here![0]!.bytes).to.be.greaterThan(500)
    })

    it('refuses a level it cannot give', async () => {
      for (const ack of backend.capabilities.acks) await backend.flush(ack)
      await failure(UnsupportedError, () => backend.flush('replicated:3'))
    })
  })

  describe(`${name}: aliases`, () => {
    let backend: Backend
    before(async () => void (backend = await open()))
    after(() => backend.close())

    it('moves an alias only from where it is expected', async () => {
      const [a, b, alias] = [newThing(), newThing(), newId()]
      const name = (expected: Ref | null, to: Ref | null): Promise<Receipt> => send(backend, { do: 'name', alias, expect: expected, to })
      await name(null, a)
      const error = await failure(AliasTakenError, () => name(null, b))
      expect(error).to.include({ alias })
      expect(error.found).to.deep.equal(a)
      await failure(AliasTakenError, () => name(b, null))
      expect(await backend.find([{ alias }])).to.deep.equal([{ ref: a }])
      await name(a, b)
      expect(await backend.find([{ alias }])).to.deep.equal([{ ref: b }])
      expect(await allOf(backend.aliases({ ref: a }))).to.deep.equal([])
      expect(await allOf(backend.aliases({ ref: b }))).to.deep.equal([[alias, b]])
      await name(b, null)
      expect(await backend.find([{ alias }])).to.deep.equal([undefined])
      expect(await allOf(backend.aliases({ ref: b }))).to.deep.equal([])
    })

    it('lists by prefix and by object, page by page', async () => {
      const [ref, other, prefix] = [newThing(), newThing(), `${newId()}/é`]
      const names = Array.from({ length: 1100 }, (_, i) => `${prefix}${i}`)
      await Promise.all(names.map((alias) => send(backend, { do: 'name', alias, expect: null, to: ref })))
      await send(backend, { do: 'name', alias: prefix.slice(0, -1), expect: null, to: other })
      const listed = await allOf(backend.aliases({ prefix }))
      expect(listed.map(([alias]) => alias).sort()).to.deep.equal([...names].sort())
      expect(listed[0]![1]).to.deep.equal(ref)
      expect((await allOf(backend.aliases({ ref }))).map(([alias]) => alias).sort()).to.deep.equal([...names].sort())
    })
  })

  describe(`${name}: marks, intents and staged redo`, () => {
    let backend: Backend
    before(async () => void (backend = await open()))
    after(() => backend.close())

    it('puts a mark once: a group with another attempt’s is not applied, whatever else would conflict', async () => {
      const home = newThing()
      const [winner, loser] = [newCommitId(), newCommitId()]
      const won = await backend.commit(groupOf([putOp(home, { v: 1 }), markOp(home, 'task', winner, Uint8Array.of(7))], winner))
      expect(won).to.include({ applied: true })
      expect(won.mark).to.include({ attempt: winner })
      const lost = await backend.commit(groupOf([putOp(home, { v: 2 }), markOp(home, 'task', loser)], loser))
      const standing = { key: 'task', attempt: winner, state: 'committed', outcome: Uint8Array.of(7) }
      expect(lost).to.deep.equal({ applied: false, stamps: new Map(), mark: standing })
      expect((await stored(backend, home))!.cells.get('v')).to.equal(1)
      expect(await backend.marks(home, ['other', 'task'])).to.deep.equal([undefined, standing])
      expect((await send(backend, markOp(home, 'task', winner, Uint8Array.of(8)))).applied).to.equal(true)
      expect(await backend.marks(home, ['task'])).to.deep.equal([standing])
    })

    it('takes several marks, of which any can stand in the way', async () => {
      const home = newThing()
      const mine = newCommitId()
      await send(backend, markOp(home, 'b', newCommitId()))
      const lost = await send(backend, markOp(home, 'a', mine), markOp(home, 'b', mine))
      expect(lost.applied).to.equal(false)
      expect(lost.mark!.key).to.equal('b')
      expect(await backend.marks(home, ['a'])).to.deep.equal([undefined])
    })

    it('forgets outcomes, then marks', async () => {
      const home = newThing()
      const attempt = newCommitId()
      await send(backend, markOp(home, 'k'.repeat(3000), attempt, Uint8Array.of(1)), markOp(home, 'j', attempt, Uint8Array.of(2)))
      const key = 'k'.repeat(3000)
      await send(backend, { do: 'forget', home, keys: [key, 'never'], what: 'outcome' })
      expect((await backend.marks(home, [key, 'j'])).map((mark) => mark?.outcome)).to.deep.equal([null, Uint8Array.of(2)])
      await send(backend, { do: 'forget', home, keys: [key], what: 'mark' })
      expect(await backend.marks(home, [key])).to.deep.equal([undefined])
    })

    it('shows an intent, keeps others away from it, and settles once', async () => {
      const ref = newThing()
      const stamp = (await send(backend, putOp(ref, { v: 1, w: 1 }))).stamps.get(ref.id)!
      const intent = intentOf(newThing(), [{ do: 'put', ref, set: cellsOf({ v: 2 }), unset: ['w'], expect: stamp }])
      const reserve = reserveOp({ ref }, stamp, intent)
      await send(backend, reserve)
      await send(backend, reserve)
      expect((await stored(backend, ref))!.intent).to.deep.equal(intent)
      expect((await backend.find([ref.id]))[0]!.intent).to.deep.equal(intent)
      expect((await stored(backend, ref))!.cells.get('v')).to.equal(1)
      const ops: Op[] = [
        putOp(ref, { v: 3 }, stamp),
        { do: 'remove', ref, expect: 'present' },
        { do: 'check', ref, expect: stamp },
        reserveOp({ ref }, stamp, intentOf(newThing(), [])),
      ]
      for (const op of ops) {
        const error = await failure(ConflictError, () => send(backend, op))
        expect(error.intent, op.do).to.deep.equal(intent)
        expect(error.ref).to.deep.equal(ref)
      }
      await send(backend, { do: 'settle', target: { ref }, commit: newCommitId(), take: true })
      expect((await stored(backend, ref))!.intent).to.deep.equal(intent)
      for (let i = 0; i < 2; i++) await send(backend, { do: 'settle', target: { ref }, commit: intent.commit, take: true })
      const settled = await stored(backend, ref)
      expect(settled!.intent).to.equal(undefined)
      expect(settled!.stamp).to.deep.equal({ revision: 2, commit: intent.commit })
      expect(Object.fromEntries(settled!.cells)).to.deep.equal({ v: 2 })
    })

    it('reserves several objects of one group, each of which stays what it was', async function () {
      if (!canPair(backend)) notRun(this, 'each object is a domain of its own')
      const a = newThing()
      const b = thingBeside(backend, a)
      await send(backend, putOp(a, { a: 1, text: 'the first' }), putOp(b, { b: 'the second, which is longer' }))
      const intent = intentOf(newThing(), [])
      const shown = async (): Promise<unknown[]> => (await backend.read([a, b])).map((one) => Object.fromEntries(one!.cells))
      await send(backend, ...[a, b].map((ref) => reserveOp({ ref }, 'present', intent)))
      expect(await shown()).to.deep.equal([{ a: 1, text: 'the first' }, { b: 'the second, which is longer' }])
      await send(backend, ...[a, b].map((ref): Op => ({ do: 'settle', target: { ref }, commit: intent.commit, take: false })))
      expect(await shown()).to.deep.equal([{ a: 1, text: 'the first' }, { b: 'the second, which is longer' }])
    })

    it('drops an intent without a trace, takes a removal, and makes what was absent', async () => {
      const [ref, fresh] = [newThing(), newThing()]
      const stamp = (await send(backend, putOp(ref, { v: 1 }))).stamps.get(ref.id)!
      const dropped = intentOf(newThing(), [{ do: 'remove', ref, expect: stamp }])
      await send(backend, reserveOp({ ref }, 'present', dropped))
      await send(backend, { do: 'settle', target: { ref }, commit: dropped.commit, take: false })
      expect((await stored(backend, ref))!.stamp).to.deep.equal(stamp)
      const taken = intentOf(newThing(), [{ do: 'remove', ref, expect: stamp }])
      await send(backend, reserveOp({ ref }, stamp, taken))
      await send(backend, { do: 'settle', target: { ref }, commit: taken.commit, take: true })
      expect(await stored(backend, ref)).to.equal(undefined)
      const making = intentOf(newThing(), [putOp(fresh, { v: 5 })])
      await failure(ConflictError, () => send(backend, reserveOp({ ref: fresh }, 'present', making)))
      await send(backend, reserveOp({ ref: fresh }, 'absent', making))
      expect(await backend.find([fresh.id])).to.deep.equal([undefined])
      expect((await allOf(backend.objects({}))).some((one) => one.id === fresh.id)).to.equal(false)
      await failure(ConflictError, () => send(backend, putOp(fresh, { v: 6 })))
      await send(backend, { do: 'settle', target: { ref: fresh }, commit: making.commit, take: true })
      expect((await stored(backend, fresh))!.stamp).to.deep.equal({ revision: 1, commit: making.commit })
    })

    it('reserves aliases that stand and those that do not', async () => {
      const [a, b, alias] = [newThing(), newThing(), newId()]
      const first = intentOf(newThing(), [{ do: 'name', alias, expect: null, to: a }])
      await send(backend, reserveOp({ alias }, null, first))
      expect(await backend.find([{ alias }])).to.deep.equal([{ ref: null, intent: first }])
      expect(await allOf(backend.aliases({ prefix: alias }))).to.deep.equal([])
      const error = await failure(ConflictError, () => send(backend, { do: 'name', alias, expect: null, to: b }))
      expect(error.intent).to.deep.equal(first)
      expect(error.alias).to.equal(alias)
      await send(backend, { do: 'settle', target: { alias }, commit: first.commit, take: true })
      expect(await backend.find([{ alias }])).to.deep.equal([{ ref: a }])
      await failure(AliasTakenError, () => send(backend, reserveOp({ alias }, null, intentOf(newThing(), []))))
      const second = intentOf(newThing(), [{ do: 'name', alias, expect: a, to: null }])
      await send(backend, reserveOp({ alias }, a, second))
      expect(await backend.find([{ alias }])).to.deep.equal([{ ref: a, intent: second }])
      await send(backend, { do: 'settle', target: { alias }, commit: second.commit, take: true })
      expect(await backend.find([{ alias }])).to.deep.equal([undefined])
    })

    it('keeps staged redo exactly until it is dropped', async () => {
      const [home, commit] = [newThing(), newCommitId()]
      const redo: Op[] = [
        { do: 'row', table: newTableId(), key: ['k', 1n], set: [1n, undefined, new Date(3)] },
        putOp(home, { v: Uint8Array.of(1) }),
      ]
      await send(backend, { do: 'stage', home, commit, redo })
      expect(await backend.staged(home, commit)).to.deep.equal(redo)
      expect(await backend.staged(newThing(), commit)).to.equal(undefined)
      await send(backend, { do: 'stage', home, commit, redo: null })
      expect(await backend.staged(home, commit)).to.equal(undefined)
    })
  })

  describe(`${name}: rows`, () => {
    let backend: Backend
    before(async () => void (backend = await open()))
    after(() => backend.close())

    const key = (o: number, p = 'p'): Key => [p, BigInt(o)]
    const rowAt = async (table: Table, at: Key): Promise<StoredRow | undefined> => (await backend.rows(table.id, [at]))[0]
    const write = (table: Table, at: Key, set: Values | null, atMicros: bigint): Promise<Receipt> =>
      backend.commit(groupOf([rowOp(table, at, set)], undefined, atMicros))

    it('defines once, refuses other columns, and drops with all rows', async () => {
      const table = await newTable(backend)
      await backend.define(table)
      await failure(SchemaMismatchError, () => backend.define({ ...table, writes: 'cas' }))
      await failure(SchemaMismatchError, () => backend.define({ ...table, keys: [...table.keys].reverse() }))
      expect(await backend.table(table.id)).to.deep.equal(table)
      await send(backend, ...Array.from({ length: 5000 }, (_, i) => rowOp(table, key(i), [1n, 'x', undefined])))
      await backend.drop(table.id)
      await backend.drop(table.id)
      expect(await backend.table(table.id)).to.equal(undefined)
      await failure(NotFoundError, () => backend.rows(table.id, [key(1)]))
      await failure(NotFoundError, () => allOf(backend.scan({ in: table.id })))
      await failure(NotFoundError, () => send(backend, rowOp(table, key(1), null)))
      await backend.define(table)
      expect(await allOf(backend.scan({ in: table.id }))).to.deep.equal([])
    })

    it('lets the latest clock win in any order of arrival, removals too', async () => {
      const table = await newTable(backend)
      const at = 1_000_000n
      await write(table, key(1), [2n, 'b', undefined], at)
      await write(table, key(1), [1n, 'a', undefined], at - 1n)
      expect(await rowAt(table, key(1))).to.deep.equal({ key: key(1), values: [2n, 'b', undefined], atMicros: at })
      await write(table, key(1), null, at - 1n)
      expect((await rowAt(table, key(1)))!.values[0]).to.equal(2n)
      await write(table, key(1), null, at + 2n)
      expect(await rowAt(table, key(1))).to.equal(undefined)
      await write(table, key(1), [3n, 'c', undefined], at + 1n)
      expect(await rowAt(table, key(1)), 'an older write after a removal').to.equal(undefined)
      await write(table, key(2), null, at)
      await write(table, key(2), [1n, 'a', undefined], at - 1n)
      expect(await rowAt(table, key(2)), 'a removal of what is not there yet').to.equal(undefined)
      await write(table, key(1), [4n, 'd', undefined], at + 3n)
      expect((await rowAt(table, key(1)))!.values[0]).to.equal(4n)
    })

    it('ends ties the same in every order: the larger row, and any row before its removal', async () => {
      const table = await newTable(backend)
      const [a, b]: [Values, Values] = [
        [5n, 'a', undefined],
        [6n, 'a', undefined],
      ]
      const orders: (Values | null)[][] = [
        [a, b],
        [b, a],
        [a, null],
        [null, a],
        [null, b, a],
        [a, b, null],
      ]
      for (const [i, order] of orders.entries()) for (const set of order) await write(table, key(i), set, 77n)
      const ends = (
        await backend.rows(
          table.id,
          orders.map((_, i) => key(i)),
        )
      ).map((row) => row?.values[0])
      expect(ends).to.deep.equal([6n, 6n, 5n, 5n, 6n, 6n])
    })

    it('checks rows of a compare-and-set table, and tells each write from the last', async () => {
      const table = await newTable(backend, 'cas')
      const set = (n: bigint, expected: bigint | null, atMicros: bigint): Promise<Receipt> =>
        backend.commit(groupOf([rowOp(table, key(1), [n, undefined, undefined], expected)], undefined, atMicros))
      await set(1n, null, 100n)
      const error = await failure(ConflictError, () => set(2n, null, 200n))
      expect(error).to.include({ expected: null, found: 100n })
      await set(2n, 100n, 90n) // a slow clock does not lose a checked write
      const second = (await rowAt(table, key(1)))!
      expect(second.values[0]).to.equal(2n)
      expect(second.atMicros > 100n).to.equal(true)
      await failure(ConflictError, () => set(3n, 100n, 300n))
      await backend.commit(groupOf([rowOp(table, key(1), null, second.atMicros)], undefined, 400n))
      await set(4n, null, 300n)
      expect((await rowAt(table, key(1)))!.values[0]).to.equal(4n)
    })

    it('adds once per commit id, from nothing, and keeps sums over whole writes', async () => {
      const table = await newTable(backend)
      const add = groupOf([addOp(table, key(1), 5n), addOp(table, key(1), 2n)])
      await Promise.all([backend.commit(add), backend.commit(add)])
      await backend.commit(add)
      expect(await rowAt(table, key(1))).to.deep.equal({ key: key(1), values: [undefined, undefined, 7n], atMicros: 0n })
      await send(backend, rowOp(table, key(1), [1n, 'one', 99n]), addOp(table, key(1), -3n))
      expect((await rowAt(table, key(1)))!.values).to.deep.equal([1n, 'one', 4n])
      await send(backend, rowOp(table, key(1), null))
      await send(backend, addOp(table, key(1), 1n))
      expect((await rowAt(table, key(1)))!.values).to.deep.equal([undefined, undefined, 1n])
      await failure(ValidationError, () => send(backend, { do: 'add', table: table.id, key: key(1), column: 0, by: 1n }))
    })

    it('counts every one of many concurrent adds', async () => {
      const table = await newTable(backend)
      const other = await open()
      await Promise.all(Array.from({ length: 200 }, (_, i) => send(i % 2 ? backend : other, addOp(table, key(1), 1n))))
      expect((await rowAt(table, key(1)))!.values[2]).to.equal(200n)
      await other.close()
    })

    it('scans in key order within bounds, both ways, with a limit', async () => {
      const table = await newTable(backend)
      const orders = [5, -3, 100, 0, 20]
      await send(
        backend,
        ...orders.map((o) => rowOp(table, key(o), [BigInt(o), undefined, undefined])),
        rowOp(table, key(1, 'q'), [1n, undefined, undefined]),
      )
      await send(backend, rowOp(table, key(7), null))
      const scan = async (range: object): Promise<unknown[]> =>
        (await allOf(backend.scan({ in: table.id, ...range }))).map((row) => Number(row.key[1]))
      const prefix = ['p']
      expect(await scan({ prefix })).to.deep.equal([-3, 0, 5, 20, 100])
      expect(await scan({ prefix, reverse: true })).to.deep.equal([100, 20, 5, 0, -3])
      expect(await scan({ prefix, from: [0n], to: [100n] })).to.deep.equal([0, 5, 20])
      expect(await scan({ prefix, from: [0n], to: [100n], reverse: true })).to.deep.equal([20, 5, 0])
      expect(await scan({ prefix, from: [6n], limit: 1 })).to.deep.equal([20])
      expect(await scan({ prefix, reverse: true, limit: 2 })).to.deep.equal([100, 20])
      expect(await scan({ prefix: ['none'] })).to.deep.equal([])
      const both = backend.capabilities.orderedScan
        ? [[-3, 0, 5, 20, 100, 1]]
        : [
            [-3, 0, 5, 20, 100, 1],
            [1, -3, 0, 5, 20, 100],
          ]
      expect(both).to.deep.include(await scan({}))
      expect(await scan({ limit: 0 })).to.deep.equal([])
    })

    it('scans page by page while rows change, with those that stand in it once', async () => {
      const table = await newTable(backend)
      const rows = Array.from({ length: 3000 }, (_, i) => rowOp(table, key(i * 2), [BigInt(i), undefined, undefined]))
      await send(backend, ...rows)
      for (const reverse of [false, true]) {
        const seen: number[] = []
        let pages = 0
        for await (const page of backend.scan({ in: table.id, reverse })) {
          seen.push(...page.map((row) => Number(row.key[1])))
          const o = reverse ? 3 : 5995
          await send(
            backend,
            rowOp(table, key(1 + pages), [0n, undefined, undefined]),
            rowOp(table, key(o - pages * 2), [0n, undefined, undefined]),
          )
          pages++
        }
        expect(pages).to.be.greaterThan(2)
        expect(new Set(seen).size).to.equal(seen.length)
        expect(seen.filter((o) => o % 2 === 0)).to.have.length(3000)
        expect(seen).to.deep.equal([...seen].sort((a, b) => (reverse ? b - a : a - b)))
      }
    })

    it('goes over many removed rows without ending early', async () => {
      const table = await newTable(backend)
      await send(backend, ...Array.from({ length: 2000 }, (_, i) => rowOp(table, key(i), [1n, undefined, undefined])))
      await send(backend, ...Array.from({ length: 1990 }, (_, i) => rowOp(table, key(i), null)))
      expect(await allOf(backend.scan({ in: table.id, limit: 3 }))).to.have.length(3)
      expect(await allOf(backend.scan({ in: table.id }))).to.have.length(10)
      expect(await allOf(backend.scan({ in: table.id, reverse: true }))).to.have.length(10)
    })

    it('ends a scan when it is aborted, and can be left early', async () => {
      const table = await newTable(backend)
      await send(backend, ...Array.from({ length: 2000 }, (_, i) => rowOp(table, key(i), [1n, undefined, undefined])))
      const abort = new AbortController()
      let pages = 0
      const scan = async (): Promise<void> => {
        for await (const _page of backend.scan({ in: table.id }, abort.signal)) if (++pages === 1) abort.abort(new Error('enough'))
      }
      const error = await scan().catch((e: Error) => e)
      expect(error).to.include({ message: 'enough' })
      expect(pages).to.equal(1)
      for (let i = 0; i < 30; i++) for await (const _page of backend.scan({ in: table.id })) break
      expect(await allOf(backend.scan({ in: table.id }))).to.have.length(2000)
    })

    it('splits into pieces that cover each key once, those to come too, and the same ones again', async () => {
      const table = await newTable(backend)
      expect(await backend.pieces(table.id, 4)).to.have.length(1)
      const size = 1000
      await send(backend, ...Array.from({ length: size }, (_, i) => rowOp(table, key(i, `p${i % 10}`), [1n, undefined, undefined])))
      const pieces = await backend.pieces(table.id, 4)
      expect(pieces).to.have.length(4)
      expect(await backend.pieces(table.id, 4)).to.deep.equal(pieces)
      const halves = (await Promise.all(pieces.map((piece) => backend.pieces(piece, 2)))).flat()
      await send(backend, rowOp(table, key(-1, ''), [1n, undefined, undefined]), rowOp(table, key(1, 'z'), [1n, undefined, undefined]))
      for (const parts of [pieces, halves]) {
        const found = await Promise.all(parts.map((piece) => allOf(backend.scan({ in: piece }))))
        expect(Math.max(...found.map((rows) => rows.length))).to.be.lessThan((2 * size) / parts.length)
        const keys = found.flat().map((row) => row.key.join('/'))
        expect(keys).to.deep.equal((await allOf(backend.scan({ in: table.id }))).map((row) => row.key.join('/')))
      }
      const located = await backend.locate(pieces)
      for (const [place] of located) expect(place!.bytes).to.be.greaterThan(100)
    })

    it('writes nothing of a group whose row conflicts', async () => {
      const table = await newTable(backend, 'cas')
      await send(backend, rowOp(table, key(2), [1n, undefined, undefined], null))
      const ops = [rowOp(table, key(1), [1n, undefined, undefined], null), addOp(table, key(3), 1n), rowOp(table, key(2), null, null)]
      await failure(ConflictError, () => send(backend, ...ops))
      expect((await backend.rows(table.id, [key(1), key(2), key(3)])).map((row) => row?.values[0])).to.deep.equal([
        undefined,
        1n,
        undefined,
      ])
      await failure(ValidationError, () => send(backend, addOp(table, key(3), 1n), rowOp(table, ['p', 'no number'], null)))
      expect(await rowAt(table, key(3))).to.equal(undefined)
    })
  })

  describe(`${name}: life`, () => {
    it('shares its data between those who open it, and refuses after close', async () => {
      const [one, other] = [await open(), await open()]
      const ref = newThing()
      await one.open()
      const pending = send(one, putOp(ref, { v: 1 }))
      await one.close()
      await one.close()
      await pending
      expect((await stored(other, ref))!.cells.get('v')).to.equal(1)
      const table = newTableId()
      const calls: (() => Promise<unknown>)[] = [
        () => one.read([ref]),
        () => send(one, putOp(newThing(), {})),
        () => one.flush('committed'),
        () => one.find([ref.id]),
        () => one.marks(ref, ['x']),
        () => one.staged(ref, newCommitId()),
        () => one.table(table),
        () => one.drop(table),
        () => one.rows(table, []),
        () => allOf(one.scan({ in: table })),
        () => allOf(one.objects({})),
        () => allOf(one.aliases({})),
        () => one.locate([ref]),
        () => one.pieces(table, 1),
      ]
      for (const call of calls) await failure(UnavailableError, call)
      await one.open()
      expect((await stored(one, ref))!.cells.get('v')).to.equal(1)
      await Promise.all([one.close(), other.close()])
    })

    it('lets commits through while a program does nothing but read', async () => {
      const backend = await open()
      const ref = newThing()
      let isWritten = false
      const written = send(backend, putOp(ref, { v: 1 })).then(() => void (isWritten = true))
      const endMs = Date.now() + 5000
      while (!isWritten && Date.now() < endMs) await backend.read([ref])
      expect(isWritten).to.equal(true)
      await written
      await backend.close()
    })
  })
}

/** For backends that list what nothing leads to. */
export function upkeepSpec(name: string, open: () => Promise<Backend>): void {
  describe(`${name}: upkeep`, () => {
    let backend: Backend
    before(async () => void (backend = await open()))
    after(() => backend.close())

    it('lists every table, also one without an owner', async () => {
      const tables = [await newTable(backend), await newTable(backend, 'cas')]
      const listed = await allOf(backend.upkeep!.tables())
      for (const table of tables) expect(listed.find(({ id }) => id === table.id)).to.deep.equal(table)
      await backend.drop(tables[0]!.id)
      expect((await allOf(backend.upkeep!.tables())).some(({ id }) => id === tables[0]!.id)).to.equal(false)
    })

    it('lists marks by the age of their attempts', async () => {
      const [home, early] = [newThing(), newCommitId()]
      await send(backend, markOp(home, 'first', early, Uint8Array.of(1)))
      const ours = async (beforeMs: number): Promise<unknown[]> =>
        (await allOf(backend.upkeep!.marksBefore(beforeMs))).filter((one) => one.home.id === home.id).map(({ mark }) => mark)
      expect(await ours(Date.now() - 60_000)).to.deep.equal([])
      const mark = { key: 'first', attempt: early, state: 'committed', outcome: Uint8Array.of(1) }
      expect(await ours(Date.now() + 1000)).to.deep.equal([mark])
    })

    it('lists intents on objects and aliases, and on what does not exist yet', async () => {
      const [ref, absent, home] = [newThing(), newThing(), newThing()]
      await send(backend, putOp(ref, {}))
      const targets = [{ ref }, { ref: absent }, { alias: `new ${ref.id}` }] as const
      const intents = targets.map(() => intentOf(home, [putOp(ref, { v: 1 })]))
      for (const [i, target] of targets.entries()) await send(backend, reserveOp(target, i === 0 ? 'present' : 'absent', intents[i]!))
      const listed = await allOf(backend.upkeep!.intents())
      for (const [i, target] of targets.entries())
        expect(listed.find(({ intent }) => intent.commit === intents[i]!.commit)).to.deep.equal({ target, intent: intents[i] })
      for (const [i, target] of targets.entries()) await send(backend, { do: 'settle', target, commit: intents[i]!.commit, take: false })
      expect((await allOf(backend.upkeep!.intents())).some(({ intent }) => intents.some((one) => one.commit === intent.commit))).to.equal(
        false,
      )
    })
  })
}
