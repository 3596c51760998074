/** The index by class of a file: entries that list several objects, and those of the format before, which list one each. */
import { expect } from 'chai'
import { idsOf } from '../../backends/nvram/class-index.js'
import { type Environment, openEnvironment } from '../../backends/nvram/environment.js'
import { fsck } from '../../backends/nvram/index.js'
import { classObjectKey } from '../../backends/nvram/keys.js'
import { type Backend, Ref } from '../../src/backend.js'
import { ConflictError, CorruptError } from '../../src/errors.js'
import { type ClassId, type Id, newCommitId } from '../../src/ids.js'
import { allOf, failure, groupOf, newThing, putOp, send } from './backend-spec.js'
import { foldersFor, on } from './nvram-folders.js'

const newFolder = foldersFor('class-index')
const FIRST = Buffer.of(0)
const { classId } = newThing()

const things = (count: number): Ref[] => Array.from({ length: count }, () => newThing())
const store = (backend: Backend, refs: readonly Ref[]): Promise<unknown> => send(backend, ...refs.map((ref) => putOp(ref, { v: 1 })))
const remove = (backend: Backend, refs: readonly Ref[]): Promise<unknown> =>
  send(backend, ...refs.map((ref) => ({ do: 'remove', ref, expect: 'present' }) as const))
const listed = async (backend: Backend, of: { readonly classId?: ClassId } = { classId }): Promise<readonly Id[]> =>
  (await allOf(backend.objects(of))).map(({ id }) => id)
const idsIn = (refs: readonly Ref[]): readonly Id[] => refs.map(({ id }) => id)

/** A thing whose id was made at another time. */
const madeAt = (ms: number): Ref =>
  new Ref(
    `${ms
      .toString(16)
      .padStart(12, '0')
      .replace(/^(.{8})/, '$1-')}${newThing().id.slice(13)}` as Id,
    classId,
  )

async function entries<T>(folder: string, look: (env: Environment, keys: readonly Uint8Array[]) => T): Promise<T> {
  const env = await openEnvironment(folder)
  try {
    return look(env, env.objectsByClass.keys({ start: FIRST }))
  } finally {
    await env.file.close()
  }
}

const damage = async (folder: string): Promise<number> => (await fsck(`nvram:${folder}`)).damaged

describe('nvram: the index by class', function () {
  this.timeout(60_000)
  it('lists the new objects of a group in one entry for a class', async () => {
    const folder = newFolder()
    const refs = things(200)
    await on(folder, (backend) => store(backend, [...refs].reverse()))
    expect(await entries(folder, (env, keys) => keys.map((key) => idsOf(key, env.objectsByClass.look(key)!)))).to.deep.equal([idsIn(refs)])
    await on(folder, async (backend) => expect(await listed(backend)).to.deep.equal(idsIn(refs)))
    expect(await damage(folder)).to.equal(0)
  })

  it('gives ids in order, each once, whatever transactions and pages they come from', async () => {
    const folder = newFolder()
    const refs = things(3000)
    const of = (nth: number): Ref[] => refs.filter((_, i) => i % 7 === nth || (i % 7 > 4 && nth === i % 5))
    const other = new Ref(newThing().id, 'insitu/test#Other' as ClassId)
    await on(folder, async (backend) => {
      for (let nth = 0; nth < 5; nth++) await store(backend, nth === 2 ? [...of(nth), other] : of(nth))
      expect(await listed(backend)).to.deep.equal(idsIn(refs))
      expect(await listed(backend, {}))
        .to.have.members([...idsIn(refs), other.id])
        .and.have.length(3001)
    })
    expect(await damage(folder)).to.equal(0)
  })

  it('lists no object that was removed, and one that came again once', async () => {
    const folder = newFolder()
    const refs = things(1000)
    const [gone, kept] = [refs.filter((_, i) => i % 3 > 0), refs.filter((_, i) => i % 3 === 0)]
    await on(folder, async (backend) => {
      await store(
        backend,
        refs.filter((_, i) => i % 2 === 0),
      )
      await store(
        backend,
        refs.filter((_, i) => i % 2 === 1),
      )
      await remove(backend, gone)
      expect(await listed(backend)).to.deep.equal(idsIn(kept))
      await store(backend, gone.slice(0, 10))
      expect(await listed(backend)).to.deep.equal([...idsIn(kept), ...idsIn(gone.slice(0, 10))].sort())
      await remove(backend, [...kept, ...gone.slice(0, 10)])
      expect(await listed(backend)).to.deep.equal([])
    })
    expect(await entries(folder, (_, keys) => keys)).to.deep.equal([])
  })

  it('finds the entry of an object whose id is much older than those stored with it', async () => {
    const folder = newFolder()
    const now = Date.now()
    const refs = [now - 86_400_000, now - 1000, now - 950, now - 40, now, now + 60].map(madeAt)
    await on(folder, async (backend) => {
      await store(backend, [refs[0]!, refs[1]!, refs[3]!, refs[5]!])
      await store(backend, [refs[4]!, refs[2]!])
      expect(await listed(backend)).to.deep.equal(idsIn(refs))
      for (const [i, ref] of refs.entries()) {
        await remove(backend, [ref])
        expect(await listed(backend)).to.deep.equal(idsIn(refs.slice(i + 1)))
      }
    })
    expect(await damage(folder)).to.equal(0)
  })

  it('lists nothing of a group that is refused, and nothing twice of what comes and goes in one transaction', async () => {
    const folder = newFolder()
    const [a, b, c] = things(3) as [Ref, Ref, Ref]
    await on(folder, async (backend) => {
      await store(backend, [a])
      const missing = { do: 'check', ref: newThing(), expect: 'present' } as const
      await failure(ConflictError, () => send(backend, putOp(b, { v: 1 }), missing))
      // Sent in one turn, so that they are one transaction.
      await Promise.all([store(backend, [b, c]), remove(backend, [b]), backend.commit(groupOf([putOp(b, { v: 2 })]))])
      expect(await listed(backend)).to.deep.equal([a.id, b.id, c.id])
      await remove(backend, [a, b, c])
    })
    expect(await entries(folder, (_, keys) => keys)).to.deep.equal([])
  })

  /** As a program of the version before left it: an entry for each object. */
  async function asBefore(refs: readonly Ref[]): Promise<string> {
    const folder = newFolder()
    await on(folder, (backend) => store(backend, refs))
    const env = await openEnvironment(folder)
    env.transactions.write(() => {
      for (const key of env.objectsByClass.keys({ start: FIRST })) env.objectsByClass.remove(key)
      for (const { id } of refs) env.objectsByClass.put(classObjectKey(1, id), Buffer.of(1))
      env.meta.put(Buffer.from('format'), Buffer.from('1'))
    })
    await env.file.close()
    return folder
  }

  it('reads a file of the format before, which becomes one of this', async () => {
    const [refs, more] = [things(600), things(50)]
    const folder = await asBefore(refs)
    expect(await damage(folder)).to.equal(0)
    await on(folder, async (backend) => {
      expect(await listed(backend)).to.deep.equal(idsIn(refs))
      await store(backend, more)
      await remove(backend, [refs[1]!, refs[599]!, more[0]!])
      expect(await listed(backend)).to.deep.equal([...idsIn(refs), ...idsIn(more)].filter((_, i) => ![1, 599, 600].includes(i)))
    })
    expect(await damage(folder)).to.equal(0)
    expect(await entries(folder, ({ meta }) => meta.get(Buffer.from('format'))!.toString())).to.equal('3')
  })

  it('has checksums in what lists several', async () => {
    const folder = newFolder()
    await on(folder, (backend) => store(backend, things(20)))
    await entries(folder, (env, [key]) => {
      const value = env.objectsByClass.get(key!)!
      value[100]! ^= 4
      env.objectsByClass.put(key!, value)
    })
    await on(folder, (backend) => failure(CorruptError, () => listed(backend)))
    expect(await damage(folder)).to.be.greaterThan(0)
  })

  it('comes whole through a commit that is sent twice', async () => {
    const folder = newFolder()
    const refs = things(5)
    const group = { commit: newCommitId(), atMicros: 1n, ops: refs.map((ref) => putOp(ref, { v: 1 })) }
    await on(folder, async (backend) => {
      await Promise.all([backend.commit(group), backend.commit(group)])
      await backend.commit(group)
      expect(await listed(backend)).to.deep.equal(idsIn(refs))
    })
  })
})
