/** What becomes of a group whose answer was lost, and of a copy of it that reaches the node when everybody has gone on. */
import assert from 'node:assert/strict'
import { createBackend } from '../../backends/cassandra/index.js'
import type { Backend, Op, Ref } from '../../src/backend.js'
import { AliasTakenError, ConflictError, UnknownOutcomeError } from '../../src/errors.js'
import { newCommitId } from '../../src/ids.js'
import { StorageObject } from '../../src/objects/storage-object.js'
import { Store } from '../../src/store.js'
import { cells, fieldOf, group, put, send, standing, thing } from '../conformance/contract-kit.js'
import { HoldingProxy } from './holding-proxy.js'
import { failureOf, Keyspace, siteFor, urlOf } from './kit.js'

class Named extends StorageObject {
  by = ''
}

describe('cassandra: copies that come late', function () {
  this.timeout(60_000)
  let keyspace: Keyspace | undefined
  let proxy: HoldingProxy
  /** A backend whose line may be cut, and one whose never is. */
  let cut: Backend
  let sound: Backend
  before(async function () {
    const site = await siteFor(this)
    keyspace = await Keyspace.on(site)
    proxy = await HoldingProxy.before(site.contactPoints[0]!, site.port)
    const through = urlOf({ ...site, port: proxy.port, contactPoints: [site.contactPoints[0]!] }, keyspace.name)
    cut = createBackend(`${through}&patienceMs=1`) // so that it gives up after one copy, and what follows is decided above it
    await cut.open()
    sound = await keyspace.open()
    await send(sound, put(thing(), { n: 0 }))
    await cut.objects({})[Symbol.asyncIterator]().next()
  })
  after(async function () {
    this.timeout(120_000)
    await cut?.close()
    await sound?.close()
    await proxy?.close()
    await keyspace?.drop()
  })

  const named = (alias: string, to: Ref | null, expect: Ref | null = null): Op => ({ do: 'name', alias, expect, to })

  it("makePersistent(alias, { ifExists: 'open' }) opens what stands there, though its own claim was not answered", async () => {
    const [mine, others] = [new Store(cut), new Store(sound)]
    const first = Object.assign(new Named(), { by: 'sound' })
    const second = Object.assign(new Named(), { by: 'cut' })
    await mine.run(() => new Named().makePersistent()) // the class and its table
    proxy.holdNext(() => others.run(() => first.makePersistent('late/open', { ifExists: 'open' })))
    const found = (await mine.run(() => second.makePersistent('late/open', { ifExists: 'open' }))) as Named
    assert.equal(await proxy.release(), 1)
    assert.equal(found.getID(), first.getID())
    assert.equal(found.by, 'sound')
  })

  for (const after of [true, false])
    it(`a claim that nobody answered and that was ${after ? 'executed' : 'not executed'} is ended by bar`, async () => {
      const ref = thing()
      await send(sound, put(ref, { n: 1 }))
      const alias = `late/bar-${after}`
      const claim = group([named(alias, ref)])
      proxy.holdNext(after ? () => proxy.release() : undefined)
      assert.ok((await failureOf(() => cut.commit(claim))) instanceof UnknownOutcomeError)
      const receipt = await sound.bar!(claim)
      assert.equal(receipt?.applied, after ? true : undefined)
      assert.equal(await proxy.release(), after ? 0 : 1)
      const [found] = await sound.find([{ alias }])
      assert.equal(found?.ref?.id, after ? ref.id : undefined)
      if (after) return assert.deepEqual(await sound.commit(claim), receipt)
      const again = await failureOf(() => sound.commit(claim))
      assert.ok(again instanceof ConflictError && !(again instanceof AliasTakenError) && 'barred' in again)
      await send(sound, named(alias, ref))
    })

  it('a save whose copy compares the stamp alone is barred by its receipt, also under an intent that is given up later', async () => {
    const ref = thing()
    await send(sound, put(ref, { n: 1 }))
    const { stamp } = await standing(sound, ref)
    const save = group([put(ref, { n: 2 }, stamp)])
    const intent = { commit: newCommitId(), home: thing(), redo: [], leaseUntilMs: Date.now() + 60_000 }
    // Before the sender is told: it reads then, and writes another copy unless it finds the intent.
    proxy.holdNext(() => send(sound, { do: 'reserve', target: { ref }, expect: stamp, intent }))
    assert.ok((await failureOf(() => cut.commit(save))) instanceof UnknownOutcomeError)
    assert.equal(await sound.bar!(save), undefined)
    assert.equal(await sound.bar!(save), undefined, 'once more is no other')
    await send(sound, { do: 'settle', target: { ref }, commit: intent.commit, take: false })
    assert.equal(await proxy.release(), 1)
    assert.equal(await fieldOf(sound, ref, 'n'), 1)
    assert.equal((await failureOf(() => sound.commit(save))).barred, save.commit)
    await send(sound, { do: 'put', ref, set: cells({ n: 3 }), expect: stamp })
  })
})
