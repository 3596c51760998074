/** A slot whose keys are on their way: some here, some there. What a script finds missing may only have moved. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { inspect } from 'node:util'
import { slotOf } from '../../backends/redis/slot.js'
import { type Backend, Ref } from '../../src/backend.js'
import type { Id } from '../../src/ids.js'
import { fieldOf, group, put, send, standing, thing } from '../conformance/contract-kit.js'
import { RedisCluster, type RedisServer } from '../servers/redis.js'
import { requireRedis } from '../servers/require-server.js'
import { openAt } from './kit.js'

/** The way of one slot to another master, step by step. */
class Move {
  private constructor(
    readonly cluster: RedisCluster,
    readonly slot: number,
    readonly from: RedisServer,
    readonly to: RedisServer,
    readonly toId: string,
  ) {}

  static async begin(cluster: RedisCluster, slot: number): Promise<Move> {
    const owned = await Promise.all(cluster.servers.map((server) => server.cli('CLUSTER', 'NODES')))
    const nth = owned.findIndex((nodes) => ownsSlot(nodes, slot))
    const [from, to] = [cluster.servers[nth]!, cluster.servers[(nth + 1) % 3]!]
    const [fromId, toId] = [await from.cli('CLUSTER', 'MYID'), await to.cli('CLUSTER', 'MYID')]
    await to.cli('CLUSTER', 'SETSLOT', `${slot}`, 'IMPORTING', fromId)
    await from.cli('CLUSTER', 'SETSLOT', `${slot}`, 'MIGRATING', toId)
    return new Move(cluster, slot, from, to, toId)
  }

  /** Those of its keys that are still at the old place. */
  async keys(): Promise<readonly string[]> {
    return (await this.from.cli('CLUSTER', 'GETKEYSINSLOT', `${this.slot}`, '1000')).split('\n').filter(Boolean)
  }

  async take(isWanted: (key: string) => boolean): Promise<void> {
    const keys = (await this.keys()).filter(isWanted)
    if (keys.length > 0) await this.from.cli('MIGRATE', '127.0.0.1', `${this.to.port}`, '', '0', '5000', 'KEYS', ...keys)
  }

  async end(): Promise<void> {
    await this.take(() => true)
    for (const server of [this.to, this.from, ...this.cluster.servers])
      await server.cli('CLUSTER', 'SETSLOT', `${this.slot}`, 'NODE', this.toId)
  }
}

/** Whether the node that says so has a slot. */
function ownsSlot(nodes: string, slot: number): boolean {
  const mine = nodes.split('\n').find((line) => line.includes('myself'))!
  return mine
    .split(' ')
    .slice(8)
    .some((range) => {
      const [first, last] = range.split('-').map(Number) as [number, number?]
      return first <= slot && slot <= (last ?? first)
    })
}

/** An object that lies in the domain of another. */
const beside = ({ id }: Ref): Ref => {
  const { id: other, classId } = thing()
  return new Ref((other.slice(0, -3) + id.slice(-3)) as Id, classId)
}

describe('redis+cluster: a slot on its way', function () {
  this.timeout(60_000)
  let cluster: RedisCluster | undefined
  let backend: Backend
  before(async function () {
    this.timeout(300_000)
    requireRedis(this)
    cluster = await RedisCluster.start()
    backend = await openAt(cluster, { patienceMs: '30000' })
  })
  after(async () => {
    await backend?.close()
    await cluster?.stop()
  })

  const moveOf = (ref: Ref): Promise<Move> => Move.begin(cluster!, slotOf(Number(backend.domain(put(ref, {})))))

  /** Goes on with a call once the slot has come to its place; `whole`: nothing of it may be there before. */
  async function duringMove<T>(move: Move, work: () => Promise<T>): Promise<T> {
    const working = work().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    )
    await delay(300)
    await move.end()
    const ended = await working
    assert.ok('value' in ended, inspect(ended))
    return ended.value
  }

  it('nothing has moved yet: a save beside a new object is there with its receipt, or neither', async () => {
    const ref = thing()
    await send(backend, put(ref, { n: 1 }))
    const { stamp } = await standing(backend, ref)
    const [save, made] = [group([put(ref, { n: 2 }, stamp)]), beside(ref)]
    const move = await moveOf(ref)
    await duringMove(move, () => Promise.all([backend.commit(save), send(backend, put(made, { n: 5 }))]))
    assert.deepEqual([await fieldOf(backend, ref, 'n'), await fieldOf(backend, made, 'n')], [2, 5])
  })

  it('an object that has not moved while the rest of its domain has is not missing', async () => {
    const ref = thing()
    await send(backend, put(ref, { n: 1 }))
    const { stamp } = await standing(backend, ref)
    const move = await moveOf(ref)
    await move.take((key) => !key.includes(ref.id))
    await duringMove(move, () => send(backend, put(ref, { n: 2 }, stamp)))
    assert.equal(await fieldOf(backend, ref, 'n'), 2)
  })

  it('a large field that has moved before its object goes with the change that replaces it', async () => {
    const ref = thing()
    await send(backend, put(ref, { text: 'x'.repeat(6_000), n: 1 }))
    const { stamp } = await standing(backend, ref)
    const move = await moveOf(ref)
    await move.take((key) => key.includes(':c:'))
    await duringMove(move, () =>
      Promise.all([send(backend, put(ref, { text: 'short', n: 2 }, stamp)), send(backend, put(beside(ref), { n: 1 }))]),
    )
    assert.deepEqual([await fieldOf(backend, ref, 'text'), await fieldOf(backend, ref, 'n')], ['short', 2])
  })

  it('a large group is whole', async () => {
    const first = thing()
    const refs = [first, ...Array.from({ length: 1999 }, () => beside(first))]
    await send(backend, put(refs[0]!, { n: 0 }))
    const { stamp } = await standing(backend, first)
    const move = await moveOf(first)
    await duringMove(move, () => backend.commit(group(refs.map((ref, n) => put(ref, { n }, n === 0 ? stamp : 'absent')))))
    assert.equal((await backend.read(refs)).filter(Boolean).length, refs.length)
  })

  it('objects are found, read and placed, wherever they are', async () => {
    const refs = [thing()]
    for (let n = 1; n < 12; n++) refs.push(beside(refs[0]!))
    for (const ref of refs) await send(backend, put(ref, { n: 1 }))
    const move = await moveOf(refs[0]!)
    await move.take((key) => !key.includes(':o:') || refs.slice(6).some(({ id }) => key.includes(id)))
    await duringMove(move, async () => {
      const [read, found, located] = await Promise.all([backend.read(refs), backend.find(refs.map(({ id }) => id)), backend.locate(refs)])
      assert.ok(read.every(Boolean) && found.every(Boolean) && located.every((places) => places.length === 1))
    })
  })
})
