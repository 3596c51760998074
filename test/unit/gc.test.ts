/** What `insitu gc` removes and what it must leave, on every kind of store; with others writing meanwhile. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'chai'
import { StorageDict, StorageObject, t } from '../../runtime/index.js'
import { openBackend } from '../../runtime/open-backend.js'
import { type Backend, type Op, Packed, Ref } from '../../src/backend.js'
import { encodeWire } from '../../src/codec/wire.js'
import { CorruptError } from '../../src/errors.js'
import { collect, type GcOptions, type GcReport } from '../../src/gc/index.js'
import { type ClassId, type Id, newCommitId, newId } from '../../src/ids.js'
import { CHUNK_CLASS, largeOutcome } from '../../src/large-cells.js'
import { Store } from '../../src/store.js'
import { originRef, putOrigin } from '../../src/unit/versions.js'
import { ForwardingBackend } from '../conformance/forwarding-backend.js'
import { allOf, newTable, newThing, putOp, rowOp, send, stored } from './backend-spec.js'
import { Interfering } from './interfering-backend.js'

const CHILD = fileURLToPath(new URL('./gc-child.js', import.meta.url))
const HOUR_MS = 3_600_000
/** As if two hours had passed, so that what the test has just made is old. */
const later = (options: GcOptions = {}): GcOptions => ({ nowMs: Date.now() + 2 * HOUR_MS, ...options })

class Leaf extends StorageObject {
  n = 0
}
class Node extends StorageObject {
  leaves: Leaf[] = []
  byName = new Map<string, Leaf>()
  rows = new StorageDict({ k: t.text }, { leaf: t.ref(() => Leaf) })
}

const kinds: Record<string, (folder: string) => string> = {
  memory: () => `memory:${newId()}`,
  'memory of three domains': () => `memory:${newId()}?domains=3`,
  nvram: (folder) => `nvram:${folder}/store`,
}

for (const [kind, urlIn] of Object.entries(kinds))
  describe(`gc: ${kind}`, () => {
    let folder: string
    let backend: Backend
    let store: Store

    beforeEach(async () => {
      folder = await mkdtemp(join(tmpdir(), 'insitu-gc-'))
      backend = await openBackend(urlIn(folder))
      store = new Store(backend, { leaseMs: 50 })
    })
    afterEach(async () => {
      await store.close()
      await rm(folder, { recursive: true, force: true })
    })

    const ids = async (): Promise<Set<Id>> => new Set((await allOf(backend.objects({}))).map(({ id }) => id))
    const names = (found: GcOptions): [string[], GcOptions] => {
      const seen: string[] = []
      return [seen, { ...found, onGarbage: ({ kind: what, name }) => seen.push(`${what} ${name}`) }]
    }
    const commit = async (...ops: Op[]): Promise<void> => void (await store.commit(ops))

    it('removes what no alias leads to, keeps what one does, through fields, maps, rows and cycles', async () => {
      const [node, kept, lost] = await store.run(async () => {
        const leaves = [0, 1, 2].map((n) => Object.assign(new Leaf(), { n }))
        const root = Object.assign(new Node(), { leaves: [leaves[0]!], byName: new Map([['b', leaves[1]!]]) })
        await root.makePersistent('root')
        root.rows.set({ k: 'c' }, { leaf: leaves[2]! })
        await root.save()
        const orphan = Object.assign(new Node(), { leaves: [leaves[0]!, Object.assign(new Leaf(), { n: 9 })] })
        await orphan.makePersistent()
        return [root, leaves, [orphan, orphan.leaves[1]!]] as const
      })
      const before = await ids()
      const [seen, options] = names(later({ dryRun: true }))
      const dry = await collect(backend, options)
      expect(dry.counts).to.include({ object: 2, table: 1 })
      expect(await ids(), 'a dry run').to.deep.equal(before)
      const report = await collect(backend, later())
      expect(report.counts, 'as the dry run said').to.deep.equal(dry.counts)
      expect(seen).to.include(`object ${lost[0]!.getID()}`)
      const after = await ids()
      for (const one of [node, ...kept]) expect(after.has(one.getID()!), 'kept').to.equal(true)
      for (const one of lost) expect(after.has(one.getID()!), 'lost').to.equal(false)
      expect((await collect(backend, later())).counts, 'nothing is left').to.include({ object: 0, table: 0, chunk: 0 })
      await store.run(async () => {
        expect((await Node.getByAlias('root')).leaves).to.have.length(1)
        const again = await Node.getByAlias('root')
        expect((await (await again.rows.get({ k: 'c' }))!.leaf.load()).n).to.equal(2)
      })
    })

    it('keeps what rows lead to by a column that their dict has gained, as deleting deep does', async () => {
      const typeName = 'insitu/test#Gaining'
      class Before extends StorageObject {
        static readonly typeName = typeName
        rows = new StorageDict({ k: t.text }, { n: t.i32 })
      }
      class After extends StorageObject {
        static readonly typeName = typeName
        rows = new StorageDict({ k: t.text }, { n: t.i32, leaf: t.ref(() => Leaf).optional() })
      }
      await store.run(() => new Before().makePersistent('gaining'))
      const leaf = await new Store(backend).run(async () => {
        const found = await After.getByAlias('gaining')
        const made = Object.assign(new Leaf(), { n: 7 })
        found.rows.set({ k: 'a' }, { n: 1, leaf: made })
        await found.save()
        const root = Object.assign(new Node(), { leaves: [made] })
        await root.makePersistent()
        await root.deletePersistent({ deep: true })
        return made
      })
      await collect(backend, later())
      const kept = new Store(backend)
      expect((await kept.run(() => Leaf.getByID(leaf.getID()!))).n).to.equal(7)
    })

    it('leaves what is young, and what young objects refer to', async () => {
      const [young, old] = [newThing(), newThing()]
      await commit(putOp(old, {}))
      await commit(putOp(young, { old }))
      expect((await collect(backend)).counts.object).to.equal(0)
      const first = Date.now() + HOUR_MS
      expect((await collect(backend, { nowMs: first, olderThanMs: HOUR_MS + 60_000 })).counts.object).to.equal(0)
      expect((await collect(backend, later())).counts.object).to.equal(2)
    })

    it('leaves an old object that was written lately', async () => {
      const atMs = Date.now() - 2 * HOUR_MS
      const old = new Ref(
        `${atMs
          .toString(16)
          .padStart(12, '0')
          .replace(/^(.{8})/, '$1-')}-7000-8000-000000000001` as Id,
        'x#Old' as ClassId,
      )
      await commit(putOp(old, {}))
      expect((await collect(backend)).counts.object).to.equal(0)
      expect(await stored(backend, old)).to.not.equal(undefined)
    })

    it('removes chunks that no object lists, and origins whose version is gone', async () => {
      const [listed, loose, holder, version, gone] = [newId(), newId(), newThing(), newThing(), newThing()]
      const chunk = (id: Id): Op => ({
        do: 'put',
        ref: new Ref(id, CHUNK_CLASS),
        set: new Map([['bytes', Uint8Array.of(2, 1)]]),
        expect: 'absent',
      })
      const manifest = new Packed(Buffer.concat([Buffer.of(0xfe), encodeWire({ kind: 'blob', bytes: 2, chunks: [listed] })]))
      const stamp = { revision: 1, commit: newCommitId() }
      for (const op of [chunk(listed), chunk(loose)]) await commit(op)
      await commit(putOp(holder, { manifest }), { do: 'name', alias: 'holder', expect: null, to: holder })
      await commit(putOp(version, {}), { do: 'name', alias: 'version', expect: null, to: version })
      await commit(putOrigin(version, { chain: [newThing()], stamp }))
      await commit(putOrigin(gone, { chain: [newThing()], stamp }))
      expect((await collect(backend, later())).counts).to.include({ chunk: 1, origin: 1, object: 0 })
      const left = await ids()
      expect([listed, loose, originRef(version).id, originRef(gone).id].map((id) => left.has(id))).to.deep.equal([true, false, true, false])
    })

    it('keeps the chunks of an outcome for as long as the mark that lists them', async () => {
      const [home, bytes] = [newThing(), new Uint8Array(100_000)]
      const { puts, chunks, list } = largeOutcome(bytes, newId)
      const [loose] = largeOutcome(bytes, newId).puts
      for (const put of [...puts, loose!]) await commit(put)
      await send(backend, { do: 'mark', home, mark: { key: 'run/8', attempt: newCommitId(), state: 'committed', outcome: list } })
      // Marks stay for longer than other garbage: here for a day.
      const young = later({ nowMs: Date.now() + 60_000, olderThanMs: 0 })
      expect((await collect(backend, young)).counts).to.include({ mark: 0, chunk: 1 })
      expect(await ids()).to.include(chunks[0])
      expect((await collect(backend, { ...later(), dryRun: true })).counts).to.include({ mark: 1, chunk: 1 })
      expect((await collect(backend, later())).counts).to.include({ mark: 1, chunk: 1 })
      expect(await ids()).not.to.include(chunks[0])
    })

    it('keeps what a version comes from for as long as the version', async () => {
      const [original, version] = [newThing(), newThing()]
      await commit(putOp(original, {}))
      await commit(putOp(version, {}), { do: 'name', alias: 'v', expect: null, to: version })
      await commit(putOrigin(version, { chain: [original], stamp: { revision: 1, commit: newCommitId() } }))
      expect((await collect(backend, later())).counts.object).to.equal(0)
      await commit({ do: 'name', alias: 'v', expect: version, to: null })
      expect((await collect(backend, later())).counts).to.include({ object: 2, origin: 1 })
    })

    it('removes tables without an owner, and those their owner has let go of', async () => {
      const orphan = await newTable(backend)
      await send(backend, rowOp(orphan, ['p', 1n], [1n, 'x', undefined]))
      const node = await store.run(async () => {
        const made = await new Node().makePersistent('node')
        made.rows.set({ k: 'a' }, { leaf: await new Leaf().makePersistent() })
        await made.save()
        return made
      })
      expect((await collect(backend, later())).counts.table).to.equal(1)
      expect(await backend.table(orphan.id)).to.equal(undefined)
      await store.run(async () => {
        node.rows = new StorageDict({ k: t.text }, { leaf: t.ref(() => Leaf) })
        await node.save()
      })
      expect((await collect(backend, later())).counts).to.include({ table: 1, object: 1 })
      expect((await collect(backend, later())).counts).to.include({ table: 0, object: 0 })
    })

    it('drops names without an object, marks of long ago, and intents of the dead', async () => {
      const [gone, home, held] = [newThing(), newThing(), newThing()]
      await commit(putOp(held, { v: 1 }), { do: 'name', alias: 'held', expect: null, to: held })
      await commit({ do: 'name', alias: 'nothing', expect: null, to: gone })
      const mark = { key: 'run/7', attempt: newCommitId(), state: 'committed', outcome: null } as const
      await send(backend, { do: 'mark', home, mark })
      const intent = { commit: newCommitId(), home, redo: [putOp(held, { v: 2 })], leaseUntilMs: Date.now() - 1 }
      await send(backend, { do: 'reserve', target: { ref: held }, expect: 'present', intent })
      const claim = {
        commit: newCommitId(),
        home,
        redo: [{ do: 'name', alias: 'new', expect: null, to: held } as const],
        leaseUntilMs: Date.now() - 1,
      }
      await send(backend, { do: 'mark', home, mark: { key: claim.commit, attempt: claim.commit, state: 'committed', outcome: null } })
      await send(backend, { do: 'reserve', target: { alias: 'new' }, expect: null, intent: claim })

      const report = await collect(backend, later())
      expect(report.counts).to.include({ alias: 1, intent: 2 })
      expect(report.counts.mark).to.be.greaterThan(1)
      expect(await backend.marks(home, ['run/7', claim.commit])).to.deep.equal([undefined, undefined])
      expect((await stored(backend, held))!.cells.get('v'), 'an undecided one is dropped').to.equal(1)
      expect((await backend.find([{ alias: 'new' }]))[0]?.ref?.id, 'a decided one is taken').to.equal(held.id)
      expect(await backend.find([{ alias: 'nothing' }])).to.deep.equal([undefined])
    })

    it('keeps the marks for as long as a unit may be sent again', async () => {
      const home = newThing()
      await send(backend, { do: 'mark', home, mark: { key: 'k', attempt: newCommitId(), state: 'committed', outcome: null } })
      expect((await collect(backend, { nowMs: Date.now() + 60_000, olderThanMs: 0 })).counts.mark).to.equal(0)
      expect((await backend.marks(home, ['k']))[0]).to.not.equal(undefined)
    })

    it('keeps what another store refers to, when told of it', async () => {
      const here = newThing()
      await commit(putOp(here, {}))
      const other = await openBackend(`memory:${newId()}`)
      await send(other, putOp(newThing(), { far: new Ref(here.id, here.classId, backend.url) }))
      expect((await collect(backend, later({ referringStores: [other] }))).counts.object).to.equal(0)
      expect((await collect(backend, later())).counts.object).to.equal(1)
      await other.close()
    })

    it('keeps what is moved to and fro between objects while it looks', async () => {
      const wanderer = newThing()
      const holders = Array.from({ length: 20 }, () => newThing())
      await commit(putOp(wanderer, { v: 1 }))
      for (const [i, one] of holders.entries())
        await commit(putOp(one, i === 0 ? { it: wanderer } : {}), { do: 'name', alias: `holder ${i}`, expect: null, to: one })
      const stamp = (await stored(backend, wanderer))!.stamp
      let at = 0
      let moves = 0
      // Just before its holder is read: most often it then lies where the walk has been already.
      const moving = new Interfering(backend, async ({ id }) => {
        if (id !== holders[at]!.id || moves >= 40) return
        const [from, to] = [holders[at]!, holders[(at + 1 + (moves % 7)) % holders.length]!]
        const [f, g] = await backend.read([from, to])
        await commit(
          { do: 'put', ref: from, set: new Map(), unset: ['it'], expect: f!.stamp },
          { do: 'put', ref: to, set: new Map([['it', wanderer]]), expect: g!.stamp },
        )
        at = holders.indexOf(to)
        moves++
      })
      while (moves < 40) expect((await collect(moving, later())).counts.object).to.equal(0)
      expect((await stored(backend, wanderer))?.stamp, 'never removed, never given back').to.deep.equal(stamp)
    })

    it('collects beside a counter that never rests', async () => {
      const [counter, orphan] = [newThing(), newThing()]
      await commit(putOp(counter, { n: 0 }), { do: 'name', alias: 'counter', expect: null, to: counter })
      await commit(putOp(orphan, {}))
      let isGlance = false
      const lively = new Interfering(backend, async ({ id }) => {
        if (id !== counter.id) return
        for (let i = 0; i < (isGlance ? 1 : 3); i++)
          await commit({ do: 'put', ref: counter, set: new Map([['n', i]]), expect: (await stored(backend, counter))!.stamp })
        isGlance = !isGlance
      })
      const { counts, skipped, restored } = await collect(lively, later())
      expect([counts.object, skipped.includes('objects'), restored]).to.deep.equal([1, false, 0])
      expect(await stored(backend, orphan)).to.equal(undefined)
    })

    it('gives back, with rows, what is linked while it is being removed', async () => {
      const [root, other] = [newThing(), newThing()]
      await commit(putOp(root, {}), { do: 'name', alias: 'root', expect: null, to: root })
      await commit(putOp(other, { n: 1 }))
      const node = await store.run(async () => {
        const made = Object.assign(new Node(), { leaves: [Object.assign(new Leaf(), { n: 5 })] })
        await made.makePersistent()
        made.rows.set({ k: 'a' }, { leaf: made.leaves[0]! })
        await made.save()
        return made
      })
      const linked = new Ref(node.getID() as Id, (await backend.find([node.getID() as Id]))[0]!.ref!.classId)
      // Linked in the moment between the look and the removal.
      const late = new Interfering(
        backend,
        async () => {},
        async (op) => {
          if (op.do === 'remove')
            await commit({ do: 'put', ref: root, set: new Map([['link', linked]]), expect: (await stored(backend, root))!.stamp })
        },
      )
      const report = await collect(late, later())
      expect(report.restored).to.equal(2)
      expect(report.counts).to.include({ object: 1, table: 0 })
      expect(await stored(backend, other)).to.equal(undefined)
      const fresh = new Store(backend)
      await fresh.run(async () => {
        const again = await Node.getByID(node.getID() as Id)
        expect((await (await again.rows.get({ k: 'a' }))!.leaf.load()).n).to.equal(5)
      })
    })

    it('removes nothing when an object cannot be read', async () => {
      const [bad, orphan] = [newThing(), newThing()]
      await commit(putOp(bad, { v: new Packed(Uint8Array.of(1, 0xc1)) }), { do: 'name', alias: 'bad', expect: null, to: bad })
      await commit(putOp(orphan, {}))
      let error: unknown
      await collect(backend, later()).catch((e: unknown) => (error = e))
      expect(error).to.be.instanceOf(CorruptError)
      expect(await stored(backend, orphan)).to.not.equal(undefined)
    })

    it('says what a store without listings leaves alone', async () => {
      const lean = new ForwardingBackend(backend)
      Reflect.deleteProperty(lean, 'upkeep')
      const report: GcReport = await collect(lean, later())
      expect(report.skipped).to.deep.equal(['tables', 'marks', 'intents', 'streams'])
    })
  })

describe('gc: beside programs', () => {
  it('takes nothing from processes that link, move and let go all the while, and leaves nothing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'insitu-gc-'))
    const url = `nvram:${folder}`
    const backend = await openBackend(url)
    try {
      const children = [0, 1].map((nth) => fork(CHILD, [url, String(nth), '150'], { stdio: 'inherit' }))
      const ends = Promise.all(children.map((child) => once(child, 'exit')))
      let running = true
      const ended = ends.finally(() => (running = false))
      let removed = 0
      // Without grace: in a file, what is published is stored with what leads to it.
      while (running) {
        const { counts } = await collect(backend, { olderThanMs: 0 })
        removed += counts.object
      }
      expect(await ended, 'they found everything that they looked for').to.deep.equal([
        [0, null],
        [0, null],
      ])
      await collect(backend, { nowMs: Date.now() + 1000, olderThanMs: 0 })
      const listed = await allOf(backend.objects({}))
      expect(listed, 'two holders of ten, and what they hold').to.have.length(2 * (10 + 10))
      expect(removed).to.be.greaterThan(10)
    } finally {
      await backend.close()
      await rm(folder, { recursive: true, force: true })
    }
  }).timeout(60_000)
})
