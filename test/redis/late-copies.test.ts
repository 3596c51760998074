/** What becomes of a group whose answer was lost, and of a copy of it that reaches the server when everybody has gone on. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import { loadScripts } from '../../backends/redis/scripts.js'
import { slotOf } from '../../backends/redis/slot.js'
import { type Backend, type Group, type Op, Ref } from '../../src/backend.js'
import { AliasTakenError, ConflictError, UnknownOutcomeError } from '../../src/errors.js'
import { type Id, newCommitId } from '../../src/ids.js'
import { StorageObject } from '../../src/objects/storage-object.js'
import { Store } from '../../src/store.js'
import { add, cells, fieldOf, group, put, row, send, standing, tableOn, thing } from '../conformance/contract-kit.js'
import { RedisCluster, RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { HoldingProxy, type Wanted } from './holding-proxy.js'
import { failureOf, freshNamespace, openAt } from './kit.js'

class Named extends StorageObject {
  by = ''
}

/** Long enough to be connected anew; a line that is cut later than that after a call leaves its outcome unknown. */
const PATIENCE_MS = 400
const outlast = (): Promise<unknown> => delay(PATIENCE_MS + 100)

/** A server, or a Cluster, behind a proxy for each of its nodes. */
interface Site {
  readonly url: string
  readonly through: string
  readonly servers: readonly RedisServer[]
  readonly proxies: readonly HoldingProxy[]
  stop(): Promise<void>
}

const sites: Record<string, () => Promise<Site>> = {
  redis: async () => {
    const server = await RedisServer.start()
    const proxy = await HoldingProxy.before(server.port)
    return { url: server.url, through: `redis://127.0.0.1:${proxy.port}`, servers: [server], proxies: [proxy], stop: () => server.stop() }
  },
  'redis+cluster': async () => {
    const cluster = await RedisCluster.start()
    const { url, servers } = cluster
    const proxies = await Promise.all(servers.map(({ port }) => HoldingProxy.before(port)))
    for (const [i, server] of servers.entries()) await server.cli('CONFIG', 'SET', 'cluster-announce-port', `${proxies[i]!.port}`)
    await announced(servers, proxies)
    const through = `redis+cluster://${proxies.map(({ port }) => `127.0.0.1:${port}`).join(',')}`
    return { url, through, servers, proxies, stop: () => cluster.stop() }
  },
}

/** Until every node tells the ports of the proxies. */
async function announced(servers: readonly RedisServer[], proxies: readonly HoldingProxy[]): Promise<void> {
  for (;;) {
    const told = await Promise.all(servers.map((server) => server.cli('CLUSTER', 'SLOTS')))
    if (told.every((slots) => proxies.every(({ port }) => slots.includes(`${port}`)))) return
    await delay(50)
  }
}

const named = (alias: string, to: Ref | null, expect: Ref | null = null): Op => ({ do: 'name', alias, expect, to })

/** An object that lies in the domain of another. */
const beside = ({ id }: Ref): Ref => {
  const { id: other, classId } = thing()
  return new Ref((other.slice(0, -3) + id.slice(-3)) as Id, classId)
}

const MANY = 2000
/** Of three masters, each has as many in the order of their ports. */
const MASTER_SLOTS = 5461

/** Of the calls by which so many new objects are looked at, and then made: one among the first, and one among the last. */
const UNDECIDED = 3
const DECIDED = 12

for (const [name, start] of Object.entries(sites))
  describe(`${name}: copies that come late`, function () {
    this.timeout(60_000)
    let site: Site | undefined
    /** Through the proxies, with more patience and with less; and past them, or with nothing to be held. */
    let patient: Backend
    let hasty: Backend
    let sound: Backend
    before(async function () {
      this.timeout(300_000)
      requireRedis(this)
      site = await start()
      const namespace = freshNamespace()
      sound = await openAt(site, { namespace })
      patient = await openAt({ url: site.through }, { namespace })
      hasty = await openAt({ url: site.through }, { namespace, patienceMs: `${PATIENCE_MS}` })
      await scriptsLoaded()
    })
    after(async () => {
      await Promise.all([sound, patient, hasty].map((one) => one?.close()))
      await Promise.all(site?.proxies.map((proxy) => proxy.close()) ?? [])
      await site?.stop()
    })

    /** On every node: else the copy that is held would only ask for its script. */
    async function scriptsLoaded(): Promise<void> {
      for (const { text } of Object.values(loadScripts()))
        await Promise.all(site!.servers.map((server) => server.cli('SCRIPT', 'LOAD', text)))
    }

    /** At the node that `op` belongs to: a client that has lost a line may ask another one first. */
    function hold(op: Op, wanted: Wanted): void {
      const slot = slotOf(Number(sound.domain(op)))
      const nth = name === 'redis' ? 0 : Math.min(2, Math.floor(slot / MASTER_SLOTS))
      site!.proxies[nth]!.hold(wanted)
    }

    const release = async (): Promise<readonly string[]> => (await Promise.all(site!.proxies.map((proxy) => proxy.release()))).flat()

    /** A group of which the program cannot know what became. */
    async function lost(unknown: Group, wanted: Omit<Wanted, 'word' | 'meanwhile'> = {}): Promise<void> {
      hold(unknown.ops[0]!, { ...wanted, word: unknown.commit, meanwhile: outlast })
      const error = await failureOf(() => hasty.commit(unknown))
      assert.ok(error instanceof UnknownOutcomeError, inspect(error))
    }

    async function refusedLate(): Promise<void> {
      const replies = await release()
      assert.equal(replies.length, 1)
      assert.match(replies[0]!, /refused/)
    }

    it("makePersistent(alias, { ifExists: 'open' }) opens what stands there, though its own claim was not answered", async () => {
      const [mine, others] = [new Store(hasty), new Store(sound)]
      const first = Object.assign(new Named(), { by: 'sound' })
      const second = Object.assign(new Named(), { by: 'hasty' })
      const claimedByOthers = async (): Promise<void> => {
        await others.run(() => first.makePersistent('late/open', { ifExists: 'open' }))
        await outlast()
      }
      hold(named('late/open', null), { word: 'a:late/open', meanwhile: claimedByOthers })
      const found = (await mine.run(() => second.makePersistent('late/open', { ifExists: 'open' }))) as Named
      assert.deepEqual([found.getID(), found.by], [first.getID(), 'sound'])
      await others.run(() => first.deletePersistent())
      await refusedLate()
      assert.deepEqual(await sound.find([{ alias: 'late/open' }]), [undefined], 'a name that is free again is not given late')
    })

    for (const isAfter of [true, false])
      it(`a claim that nobody answered and that was ${isAfter ? 'executed' : 'not executed'} is ended by bar`, async () => {
        const ref = thing()
        await send(sound, put(ref, { n: 1 }))
        const alias = `late/bar-${isAfter}`
        const claim = group([named(alias, ref)])
        await lost(claim, { isAfter })
        const receipt = await sound.bar!(claim)
        assert.equal(receipt?.applied, isAfter ? true : undefined)
        if (!isAfter) await refusedLate()
        const [found] = await sound.find([{ alias }])
        assert.equal(found?.ref?.id, isAfter ? ref.id : undefined)
        if (isAfter) return assert.deepEqual(await sound.commit(claim), receipt)
        const again = await failureOf(() => sound.commit(claim))
        assert.ok(again instanceof ConflictError && !(again instanceof AliasTakenError) && 'barred' in again)
        await send(sound, named(alias, ref))
      })

    it('a save that waits behind an intent is barred: it does not come through when that is given up', async () => {
      const { ref, stamp } = await made()
      const save = group([put(ref, { n: 2 }, stamp)])
      await lost(save)
      const intent = await reserved(ref)
      assert.equal(await sound.bar!(save), undefined)
      assert.equal(await sound.bar!(save), undefined, 'once more is no other')
      await send(sound, { do: 'settle', target: { ref }, commit: intent, take: false })
      await refusedLate()
      assert.equal((await failureOf(() => sound.commit(save))).barred, save.commit)
      await send(sound, put(ref, { n: 3 }, stamp))
      assert.equal(await fieldOf(sound, ref, 'n'), 3)
    })

    it('a refusal is the end of a save, also of the copy that went before the one that was refused', async () => {
      const { ref, stamp } = await made()
      const save = group([put(ref, { n: 2 }, stamp)])
      let intent = newCommitId()
      hold(save.ops[0]!, { word: save.commit, meanwhile: async () => void (intent = await reserved(ref)) })
      const error = await failureOf(() => patient.commit(save))
      assert.ok(error instanceof ConflictError && 'intent' in error, inspect(error))
      await send(sound, { do: 'settle', target: { ref }, commit: intent, take: false })
      await refusedLate()
      assert.equal(await fieldOf(sound, ref, 'n'), 1)
    })

    it('rows and counters of a group that was given up stay as they are, and those of one that was executed are told', async () => {
      const table = await tableOn(sound)
      const ops = [row(table.id, ['p', 1n], [1n, undefined, undefined]), add(table.id, ['p', 1n], 2, 5n)]
      const never = group(ops)
      await lost(never)
      assert.equal(await sound.bar!(never), undefined)
      await refusedLate()
      assert.deepEqual(await sound.rows(table.id, [['p', 1n]]), [undefined])
      const done = group(ops)
      await lost(done, { isAfter: true })
      assert.equal((await sound.bar!(done))?.applied, true)
      assert.deepEqual((await sound.rows(table.id, [['p', 1n]]))[0]!.values, [1n, undefined, 5n])
    })

    it('a large group is barred as long as it is undecided, and holds up nobody after that', async () => {
      for (const nth of [1, UNDECIDED]) {
        const { large, refs } = largeGroup()
        await lost(large, { nth })
        const startMs = Date.now()
        assert.equal(await sound.bar!(large), undefined)
        await send(sound, put(beside(refs[0]!), { n: 1 }))
        assert.ok(Date.now() - startMs < 1000, 'nobody waits until its time is over')
        await refusedLate()
        assert.deepEqual((await sound.read(refs)).filter(Boolean), [])
      }
    })

    it('a large group that is decided is ended by bar: all of it is there, and its receipt is told', async () => {
      const { large, refs } = largeGroup()
      await lost(large, { nth: DECIDED })
      const receipt = await sound.bar!(large)
      assert.equal(receipt?.stamps.size, MANY)
      assert.equal((await sound.read(refs)).filter(Boolean).length, MANY)
      await release()
      assert.deepEqual(await sound.commit(large), receipt)
    })

    if (name === 'redis')
      it('a server that refuses the second copy because its memory is full says nothing about the first', async () => {
        const { ref, stamp } = await made()
        const save = group([put(ref, { n: 2 }, stamp)])
        hold(save.ops[0]!, { word: save.commit, meanwhile: () => site!.servers[0]!.cli('CONFIG', 'SET', 'maxmemory', '1mb') })
        const error = await failureOf(() => patient.commit(save))
        assert.ok(error instanceof UnknownOutcomeError, inspect(error))
        assert.equal((error.cause as { code?: string }).code, 'ERR_STORE_FULL')
        assert.equal(await sound.bar!(save), undefined, 'a group can be given up in a full memory')
        await site!.servers[0]!.cli('CONFIG', 'SET', 'maxmemory', '0')
        await refusedLate()
        assert.equal(await fieldOf(sound, ref, 'n'), 1)
      })

    async function made(): Promise<{ readonly ref: Ref; readonly stamp: Awaited<ReturnType<typeof standing>>['stamp'] }> {
      const ref = thing()
      await send(sound, put(ref, { n: 1 }))
      return { ref, stamp: (await standing(sound, ref)).stamp }
    }

    /** By a round of somebody else, whose commit id it gives. */
    async function reserved(ref: Ref): Promise<ReturnType<typeof newCommitId>> {
      const { stamp } = await standing(sound, ref)
      const intent = { commit: newCommitId(), home: thing(), redo: [], leaseUntilMs: Date.now() + 60_000 }
      await send(sound, { do: 'reserve', target: { ref }, expect: stamp, intent })
      return intent.commit
    }

    function largeGroup(): { readonly large: Group; readonly refs: readonly Ref[] } {
      const first = thing()
      const refs = [first, ...Array.from({ length: MANY - 1 }, () => beside(first))]
      return { refs, large: group(refs.map((ref, n): Op => ({ do: 'put', ref, set: cells({ n }), expect: 'absent' }))) }
    }
  })
