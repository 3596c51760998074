/** Arguments of tasks that wait in a worker's queue are loaded before their turn. */
import { expect } from 'chai'
import { createBackend } from '../../backends/memory/index.js'
import { beginAttempt, type Prepared } from '../../runtime/attempt.js'
import { carry } from '../../runtime/data/carry.js'
import { Ahead } from '../../runtime/engines/ahead.js'
import { Queued } from '../../runtime/engines/queued.js'
import { StorageObject } from '../../runtime/index.js'
import type { Direction } from '../../runtime/tasks/directions.js'
import type { Stored } from '../../src/backend.js'
import { Store } from '../../src/store.js'
import { ForwardingBackend } from '../conformance/forwarding-backend.js'

class Text extends StorageObject {
  text = ''
}

const PLACE = { index: 0, name: 'work', method: undefined, url: undefined, line: 1, column: 1, target: 'IN' } satisfies Omit<
  Queued['place'],
  'directions'
>

/** Counts the reads that are under way at once. */
class SlowReads extends ForwardingBackend {
  now = 0
  most = 0
  override async read(...args: Parameters<ForwardingBackend['read']>): Promise<readonly (Stored | undefined)[]> {
    this.most = Math.max(this.most, ++this.now)
    await new Promise(setImmediate)
    this.now--
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

  /** Works the queue off, as a lane does; gives how many were begun ahead. */
  async function workOff(queue: readonly Queued[]): Promise<number> {
    const ahead = new Ahead()
    let begun = 0
    for (const [at, queued] of queue.entries()) {
      const prepared: Prepared | undefined = ahead.take(queued)
      if (prepared) begun++
      const call = {
        key: queued.key,
        name: 'work',
        directions: ['INOUT'] as const,
        isMethod: false,
        target: 'IN' as const,
        args: queued.args,
      }
      const length = beginAttempt(queued.store as Store, call, ([text]) => (text as Text).text.length, prepared)
      ahead.look(queue, at + 1)
      expect((await length).outcome!.result).to.be.greaterThan(0)
    }
    return begun
  }

  it('are loaded together, so that a worker waits once for many', async () => {
    expect(await workOff(await queueOf(200, 100, ['INOUT']))).to.be.greaterThan(150)
    expect(slow.most).to.be.greaterThan(30)
  })

  it('do not pile up when they are large', async () => {
    await workOff(await queueOf(12, 4 * 1024 * 1024, ['INOUT']))
    expect(slow.most).to.be.lessThan(6)
  }).timeout(10_000) // of 48 MB, on whatever machine

  it('are left alone where others may change them meanwhile', async () => {
    for (const shared of ['CONCURRENT', 'COMMUTATIVE'] as const) expect(await workOff(await queueOf(20, 10, [shared]))).to.equal(0)
    expect(await workOff(await queueOf(20, 10, ['INOUT'], 2))).to.equal(0)
  })
})
