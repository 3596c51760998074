/** Arguments of tasks that wait in a worker's queue are loaded before their turn. */
import { expect } from 'chai'
import { createBackend } from '../../backends/memory/index.js'
import { beginAttempt, type Ended } from '../../runtime/attempt.js'
import { carry, objectsIn } from '../../runtime/data/carry.js'
import { Ahead } from '../../runtime/engines/ahead.js'
import { Queued } from '../../runtime/engines/queued.js'
import { StorageObject } from '../../runtime/index.js'
import { type Prepared, prepareAll } from '../../runtime/prepared.js'
import type { Direction } from '../../runtime/tasks/directions.js'
import type { Stored } from '../../src/backend.js'
import { NotFoundError } from '../../src/errors.js'
import { Store } from '../../src/store.js'
import { ForwardingBackend } from '../conformance/forwarding-backend.js'

class Text extends StorageObject {
  text = ''
}

const PLACE = { index: 0, name: 'work', method: undefined, url: undefined, line: 1, column: 1, nth: 0, target: 'IN' } satisfies Omit<
  Queued['place'],
  'directions'
>

/** Counts reads, and the objects that are being read at once. */
class SlowReads extends ForwardingBackend {
  reads = 0
  now = 0
  most = 0
  override async read(...args: Parameters<ForwardingBackend['read']>): Promise<readonly (Stored | undefined)[]> {
    this.reads++
    this.now += args[0].length
    this.most = Math.max(this.most, this.now)
    await new Promise(setImmediate)
    this.now -= args[0].length
    return this.inner.read(...args)
  }
}

describe('arguments of tasks ahead of their turn', () => {
  let slow: SlowReads
  let store: Store
  beforeEach(async () => {
    slow = new SlowReads(createBackend('memory:?private'))
    await slow.open()
    store = new Store(slow)
  })
  afterEach(() => store.close())

  const queueOf = async (count: number, bytes: number, directions: Direction[], attempt = 1): Promise<Queued[]> => {
    const texts = Array.from({ length: count }, () => Object.assign(new Text(), { text: 'x'.repeat(bytes) }))
    await store.run(() => Promise.all(texts.map((one) => one.makePersistent())))
    const place = { ...PLACE, directions }
    return texts.map((one, task) => new Queued(task, attempt, place, store, [carry(one, 'argument')], 'run', undefined, false, undefined))
  }

  async function runPrepared(queued: Queued, prepared?: Prepared): Promise<Ended> {
    const call = {
      key: queued.key,
      name: 'work',
      directions: ['INOUT'] as const,
      isMethod: false,
      target: 'IN' as const,
      args: queued.args,
    }
    return beginAttempt(queued.store as Store, call, ([text]) => (text as Text).text.length, prepared)
  }

  /** Works the queue off, as a lane does; gives how many were begun ahead. */
  async function workOff(queue: readonly Queued[]): Promise<number> {
    const ahead = new Ahead()
    let begun = 0
    for (const [at, queued] of queue.entries()) {
      const prepared: Prepared | undefined = ahead.take(queued)
      if (prepared) begun++
      const length = runPrepared(queued, prepared)
      ahead.look(queue, at + 1)
      expect((await length).outcome!.result).to.be.greaterThan(0)
    }
    return begun
  }

  it('are loaded together, so that a worker waits once for many', async () => {
    expect(await workOff(await queueOf(200, 100, ['INOUT']))).to.be.greaterThan(150)
    expect(slow.most).to.be.greaterThan(30)
    expect(slow.reads).to.be.lessThan(80)
  })

  it('fail for themselves: what is gone or cannot be loaded keeps nobody else', async () => {
    const queue = await queueOf(3, 10, ['INOUT'])
    const [gone] = objectsIn(queue[1]!.args[0]!)
    await store.commit([{ do: 'remove', ref: gone!, expect: 'present' }])
    const prepared = prepareAll(store, queue)
    const lengths = prepared.map((one, i) => runPrepared(queue[i]!, one))
    expect((await lengths[0])!.outcome!.result).to.equal(10)
    expect(await lengths[1]!.catch((error: unknown) => error)).to.be.instanceOf(NotFoundError)
    expect((await lengths[2])!.outcome!.result).to.equal(10)
  })

  it('do not pile up when they are large', async function () {
    this.timeout(60_000)
    await workOff(await queueOf(12, 4 * 1024 * 1024, ['INOUT']))
    expect(slow.most).to.be.lessThan(6)
  })

  it('are left alone where others may change them meanwhile', async () => {
    for (const shared of ['CONCURRENT', 'COMMUTATIVE'] as const) expect(await workOff(await queueOf(20, 10, [shared]))).to.equal(0)
    expect(await workOff(await queueOf(20, 10, ['INOUT'], 2))).to.equal(0)
  })
})
